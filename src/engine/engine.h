// Engine: takes requests (token ids), runs the model over them step after step, and reports every token. One thread of
// its own plans and delivers; a ThreadTeam computes. Nothing waits while there is work, nothing spins while there is
// none.
//
// One answer: the tokens of a request depend on the model, the cache type, the prompt and Request::sampling alone,
// never on what else runs. An error of one request (a rule that throws, logits that are no numbers, a callback that
// throws) ends that request only.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/thread_team.h"
#include "engine/disk_pages.h"
#include "engine/page_pool.h"
#include "engine/prefix_cache.h"
#include "engine/request.h"
#include "engine/scheduler.h"
#include "engine/step_turns.h"
#include "models/model.h"
#include "ops/expert_log.h"

namespace limpid {

struct EngineOptions {
  int threads = 0;  // 0: default_threads()
  CacheType cache_type = CacheType::f16;
  int context = 0;  // most positions of a sequence; 0: the model's. No more than the pool holds
  int pages = 0;    // of the pool; 0: one context
  SchedulerLimits limits;
  int queue = 256;                        // requests that may wait; one more is refused
  int account_queue = 0;                  // likewise of one account; 0: as many as `queue`
  const KernelTable* kernels = nullptr;   // what the model computes with
  std::shared_ptr<StepTurns> turns;       // with other engines on the same cores; null: it has them for itself
  std::string adapter;                    // its name is part of the cache's keys
  std::shared_ptr<PageStore> page_store;  // where pages survive a restart (page_store.h); null: nowhere
  bool poison = false;                    // tests: NaN in free pages and in fresh activations
};

// Counters since the start, and the state after the last step.
struct EngineStatistics {
  std::uint64_t steps = 0, rows = 0, outputs = 0;  // computed: rows of all steps, rows whose logits were computed
  std::uint64_t barriers = 0;                      // that a thread met in model.forward
  std::uint64_t submitted = 0, finished = 0, failed_steps = 0;
  std::uint64_t reused_tokens = 0;    // positions taken from the prefix cache
  std::uint64_t restored_tokens = 0;  // of them from disk
  std::uint64_t background_rows = 0;  // of `rows`: computed by warm()
  std::uint64_t preemptions = 0, evictions = 0;
  double busy_seconds = 0;  // in model.forward and sampling
  int waiting = 0, running = 0;
  int pages = 0, free_pages = 0, kept_pages = 0;
};

// Who waits and who runs now, for those who decide whom to let in.
struct EngineLoad {
  struct Count {
    int waiting = 0, running = 0;
  };
  Count all;
  std::map<int, Count> priorities;        // those that have requests
  std::map<std::string, Count> accounts;  // likewise
  int queue = 0, sequences = 0;           // how many may wait, how many may run
};

// What one request gave, for callers that wait.
struct Completion {
  std::vector<TokenEvent> tokens;
  FinishedEvent finished;
  std::vector<std::int32_t> ids() const;
};

class Engine {
 public:
  // The model must outlive the engine. Throws Error(input | resources).
  Engine(const Model& model, EngineOptions options);
  ~Engine();  // cancels what is left
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Starts the engine's thread. Without it, step() does the work on the caller's thread.
  void start();
  bool started() const { return thread_.joinable(); }

  // --- From any thread ---
  // Throws Error(input) where a field is wrong (it is named), Error(resources) when the queue, or the account's part of
  // it, is full.
  RequestId submit(Request request);
  // No effect on a request that has finished. cancel(): nothing of it is computed after the step that runs now.
  void cancel(RequestId id);
  void stop_thinking(RequestId id);  // "stop thinking now, answer": the closing ids come next if it thinks
  // Computes the ids' keys and values when nothing else is to be done, for a prompt that will begin with them. A
  // request that comes meanwhile waits for one small step at most. No more than Scheduler::kMostBackground at a time,
  // the oldest are dropped. Throws Error(input) on ids outside the vocabulary; ids beyond the context are left out.
  void warm(std::vector<std::int32_t> ids, std::string account = {}, std::string user = {});
  EngineStatistics statistics() const;
  EngineLoad load() const;
  int context() const { return context_; }
  int threads() const { return team_.threads(); }
  // Bytes of arena, scratch and sampler for a step, to plan with before an engine is built.
  static std::size_t work_bytes(const Model& model, const EngineOptions& options);

  // submit() and wait for the end; without start() it steps itself. The request's own callbacks are called too.
  Completion generate(Request request);

  // --- Without start() ---
  // One step. False: nothing to do.
  bool step();
  // Takes the pages of a running request away, as when they run out (tests: nothing may change). False where it does
  // not run.
  bool preempt(RequestId id);
  // The model's weights have changed: nothing that was computed before is used again. Nothing may be running, and there
  // may be no page store: Error(input).
  void forget_prefixes();
  PrefixCache& prefix_cache() { return cache_; }

 private:
  struct Orders {  // for a request that has not finished
    bool cancel = false, stop_thinking = false;
  };
  struct Work {  // of one step
    std::vector<std::int32_t> ids, positions, outputs;
    std::vector<BatchSequence> sequences;
    std::vector<Sequence*> picking;  // for each output
    std::vector<Pick> picks;
    ExpertLog experts;  // its rows: of the outputs that report them
    Tensor logits;
  };

  void loop();
  bool step_once();
  void take_messages();
  void gather(const std::vector<Planned>& plan);
  void compute(bool background);
  void deliver(const std::vector<Planned>& plan);
  void deliver_token(Sequence& sequence, Pick pick, std::vector<LayerExperts> experts, std::span<const float> logits);
  std::vector<LayerExperts> experts_of(std::int32_t row) const;
  void finish(Sequence& sequence, FinishReason reason, std::string error = {}, std::uint64_t logits_hash = 0);
  void fail_all(const std::vector<RequestId>& ids, const std::string& error);
  void order(RequestId id, bool Orders::*what);
  void publish();
  void publish_load();

  const Model& model_;
  const EngineOptions options_;
  PagePool pool_;
  PrefixCache cache_;
  std::unique_ptr<DiskPages> disk_;
  const int context_;
  Scheduler scheduler_;
  ThreadTeam team_;
  StepMemory memory_;
  std::vector<Sampler> samplers_;
  Work work_;
  EngineStatistics counters_;         // the engine thread's own
  std::uint64_t published_load_ = 0;  // Scheduler::changes() of load_

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Sequence>> arrivals_;
  std::deque<std::unique_ptr<Sequence>> background_;  // that have just come
  std::unordered_map<RequestId, Orders> live_;        // submitted and not finished
  bool ordered_ = false;                              // some of live_ are to be followed
  EngineStatistics statistics_;
  EngineLoad load_;  // without arrivals_
  RequestId next_id_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace limpid

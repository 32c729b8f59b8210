// Scheduler: which sequences run in the next step, how many rows of each, and in which pages. Bookkeeping only: it
// computes nothing, and it decides nothing that could change an answer (one answer: when a row is computed does not
// matter, only when it is delivered).
//
// - Sequences that decode go first, one row each; the rest of the step's rows is shared among those that still read
//   their prompt: by priority, then evenly among accounts (row_shares.h). Every other step with a prompt of a higher
//   priority leaves out those of lower ones that decode: its first token comes sooner, and they go on at half their pace.
// - When pages run out, the running sequence of the lowest priority, of these the youngest, gives up its pages and
//   waits; it is computed again later (what the prefix cache still has of it is not). The oldest of the highest
//   priority always makes progress, since every sequence alone fits the pool.
// - Of those that wait, the highest priority comes first, then the account with the fewest running, then arrival. For
//   the first of them room is made: who runs with a lower priority, or for an account of the same priority that runs at
//   least two more than its own, is preempted. So neither many requests nor long ones keep another account out.
// - Whoever waited longer than `patience_seconds` behind higher priorities goes on as one of the highest: one sequence at
//   a time, the one that came first. So a low priority is slow under overload of the others, but it is served.
// - Two sequences never compute the same page of a prompt at the same time: the younger waits for it and takes it from
//   the cache.
// - Pages that are on disk (disk_pages.h) are read back before anything is computed, some in each step, so that others
//   do not wait for the disk.
// - Background sequences (Engine::warm) are computed only when nothing waits or runs, in small steps. As soon as
//   something does, they give up their pages (kept for reuse) and go on later.
//
// Engine thread only.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/disk_pages.h"
#include "engine/sequence.h"

namespace limpid {

struct SchedulerLimits {
  int step_rows = 512;  // rows of a step
  int prefill_rows =
      256;  // of them for prompts while others decode: bounds what a long prompt adds to the time between their tokens
  int sequences = 32;            // running at a time
  int background_rows = 64;      // of a step that only background work has: what a new request waits for
  double patience_seconds = 30;  // 0: none is ever promoted
};

struct Planned {
  Sequence* sequence = nullptr;
  int rows = 0;
  bool output = false;  // its last row is the last id known: logits are wanted
};

class Scheduler {
 public:
  // scope: what all sequences share; account and user are added from each request. disk: null where nothing is on disk.
  Scheduler(PagePool& pool, PrefixCache& cache, DiskPages* disk, CacheScope scope, SchedulerLimits limits);

  void add(std::unique_ptr<Sequence> sequence);
  Sequence* find(RequestId id) const;
  bool empty() const { return waiting_.empty() && running_.empty() && background_.empty(); }
  // What is too much is dropped, the oldest first.
  void add_background(std::unique_ptr<Sequence> sequence);
  void drop_background();
  static constexpr std::size_t kMostBackground = 64;
  int waiting() const { return static_cast<int>(waiting_.size()); }
  int running() const { return static_cast<int>(running_.size()); }
  std::vector<Sequence*> all() const;
  // Grows whenever who waits and who runs has changed.
  std::uint64_t changes() const { return changes_; }

  // The rows of the next step; empty when nothing waits or runs, or when only pages were read from disk. Pages for
  // every planned row are in the sequences' block tables.
  std::vector<Planned> plan();
  // The planned rows were computed: registers full pages. Before the sampled ids are appended.
  void commit(const Planned& planned);
  // Gives the pages back (kept for reuse where the scope allows) and forgets the sequence. keep: what was computed is
  // good.
  std::unique_ptr<Sequence> remove(Sequence* sequence, bool keep);
  // Takes the pages of a running sequence and lets it wait. Public for tests: an answer must not change.
  void preempt(Sequence* sequence);

  std::uint64_t preemptions() const { return preemptions_; }
  std::uint64_t reused_tokens() const { return reused_; }  // positions taken from the prefix cache, or from disk:
  std::uint64_t restored_tokens() const { return restored_; }

 private:
  void promote();
  void admit();
  Sequence& next_waiting() const;
  int try_start(Sequence& sequence);
  void attach(Sequence& sequence);
  bool restore(Sequence& sequence);
  PageIndex restore_beginning(Sequence& sequence, std::span<const std::int32_t> wanted, int known);
  bool make_way(const Sequence& next, int pages);
  void reuse_full_pages(Sequence& sequence);
  void reuse_partial_page(Sequence& sequence);
  void count_reuse(Sequence& sequence, int from);
  bool give_pages(Sequence& sequence, int rows, std::vector<Planned>& plan);
  std::unique_ptr<Sequence> take_out(Sequence* sequence);
  void insert_tail(Sequence& sequence);
  void keep_on_disk(const Sequence& sequence);
  void release_pages(Sequence& sequence);
  void plan_background(std::vector<Planned>& plan);
  void pause_background();
  bool give_background_pages(Sequence& sequence, int rows);
  int promised_pages() const;
  int decode_rank();
  void plan_decodes(std::vector<Planned>& plan, int least_rank);
  void plan_prompts(std::vector<Planned>& plan);
  std::vector<Sequence*> prompts_to_compute();

  PagePool& pool_;
  PrefixCache& cache_;
  DiskPages* disk_;
  CacheScope scope_;
  SchedulerLimits limits_;
  std::vector<std::unique_ptr<Sequence>> waiting_;    // by arrival
  std::vector<std::unique_ptr<Sequence>> running_;    // by arrival
  std::deque<std::unique_ptr<Sequence>> background_;  // the first one may hold pages
  std::uint64_t restorable_ = 0;                      // bytes that may still be read from disk in this step
  bool stood_back_ = false;                           // lower ranks, in the last step
  std::size_t turn_ = 0;                              // where decoding starts when not all fit in a step
  std::uint64_t preemptions_ = 0, reused_ = 0, restored_ = 0, changes_ = 0;
};

}  // namespace limpid

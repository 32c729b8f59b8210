// Scheduler: which sequences run in the next step, how many rows of each, and in which pages. Bookkeeping only: it
// computes nothing, and it decides nothing that could change an answer (one answer: when a row is computed does not
// matter, only when it is delivered).
//
// - Sequences that decode go first, one row each; the rest of the step's rows is shared among those that still read
//   their prompt: by priority, then evenly among accounts (row_shares.h).
// - When pages run out, the running sequence of the lowest priority, of these the youngest, gives up its pages and
//   waits; it is computed again later (what the prefix cache still has of it is not). The oldest of the highest
//   priority always makes progress, since every sequence alone fits the pool.
// - Of those that wait, the highest priority comes first, then the account with the fewest running, then arrival. For
//   the first of them room is made: who runs with a lower priority, or for an account of the same priority that runs at
//   least two more than its own, is preempted. So neither many requests nor long ones keep another account out.
// - Two sequences never compute the same page of a prompt at the same time: the younger waits for it and takes it from
//   the cache.
//
// Engine thread only.
#pragma once

#include <memory>
#include <vector>

#include "engine/sequence.h"

namespace limpid {

struct SchedulerLimits {
  int step_rows = 512;  // rows of a step
  int prefill_rows =
      256;  // of them for prompts while others decode: bounds what a long prompt adds to the time between their tokens
  int sequences = 32;  // running at a time
};

struct Planned {
  Sequence* sequence = nullptr;
  int rows = 0;
  bool output = false;  // its last row is the last id known: logits are wanted
};

class Scheduler {
 public:
  // scope: what all sequences share; the account is added from each request.
  Scheduler(PagePool& pool, PrefixCache& cache, CacheScope scope, SchedulerLimits limits);

  void add(std::unique_ptr<Sequence> sequence);
  Sequence* find(RequestId id) const;
  bool empty() const { return waiting_.empty() && running_.empty(); }
  int waiting() const { return static_cast<int>(waiting_.size()); }
  int running() const { return static_cast<int>(running_.size()); }
  std::vector<Sequence*> all() const;
  // Grows whenever who waits and who runs has changed.
  std::uint64_t changes() const { return changes_; }

  // The rows of the next step; empty only when nothing waits or runs. Pages for every planned row are in the sequences'
  // block tables.
  std::vector<Planned> plan();
  // The planned rows were computed: registers full pages. Before the sampled ids are appended.
  void commit(const Planned& planned);
  // Gives the pages back (kept for reuse where the scope allows) and forgets the sequence. keep: what was computed is
  // good.
  std::unique_ptr<Sequence> remove(Sequence* sequence, bool keep);
  // Takes the pages of a running sequence and lets it wait. Public for tests: an answer must not change.
  void preempt(Sequence* sequence);

  std::uint64_t preemptions() const { return preemptions_; }
  std::uint64_t reused_tokens() const { return reused_; }  // positions taken from the prefix cache

 private:
  void admit();
  Sequence& next_waiting() const;
  int try_start(Sequence& sequence);
  bool make_way(const Sequence& next, int pages);
  void reuse_full_pages(Sequence& sequence);
  void reuse_partial_page(Sequence& sequence);
  void count_reuse(Sequence& sequence, int from);
  bool give_pages(Sequence& sequence, int rows, std::vector<Planned>& plan);
  void release_pages(Sequence& sequence, bool keep);
  int promised_pages() const;
  void plan_decodes(std::vector<Planned>& plan);
  void plan_prompts(std::vector<Planned>& plan);
  std::vector<Sequence*> prompts_to_compute();

  PagePool& pool_;
  PrefixCache& cache_;
  CacheScope scope_;
  SchedulerLimits limits_;
  std::vector<std::unique_ptr<Sequence>> waiting_;  // by arrival
  std::vector<std::unique_ptr<Sequence>> running_;  // by arrival
  std::size_t turn_ = 0;                            // where decoding starts when not all fit in a step
  std::uint64_t preemptions_ = 0, reused_ = 0, changes_ = 0;
};

}  // namespace limpid

#include "engine/scheduler.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <limits>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "engine/row_shares.h"

namespace limpid {

namespace {

int pages_for(std::size_t positions) {
  return static_cast<int>((positions + static_cast<std::size_t>(kPageTokens) - 1) /
                          static_cast<std::size_t>(kPageTokens));
}

std::span<const std::int32_t> page_ids(const Sequence& sequence, int page, int tokens = kPageTokens) {
  return std::span(sequence.ids)
      .subspan(static_cast<std::size_t>(page) * kPageTokens, static_cast<std::size_t>(tokens));
}

using Owned = std::vector<std::unique_ptr<Sequence>>;

Owned::iterator find_in(Owned& sequences, const Sequence* sequence) {
  return std::ranges::find_if(sequences, [&](const auto& owned) { return owned.get() == sequence; });
}

// Keeps a list ordered by arrival.
void insert_in_order(Owned& sequences, std::unique_ptr<Sequence> sequence) {
  const auto later = std::ranges::find_if(sequences, [&](const auto& other) { return other->id > sequence->id; });
  sequences.insert(later, std::move(sequence));
}

// How many sequences an account runs.
class AccountLoads {
 public:
  explicit AccountLoads(const Owned& running) {
    for (const auto& sequence : running) ++loads_[sequence->request.account];
  }
  int of(const Sequence& sequence) const {
    const auto found = loads_.find(sequence.request.account);
    return found == loads_.end() ? 0 : found->second;
  }
  void less(const Sequence& sequence) { --loads_[sequence.request.account]; }

 private:
  std::unordered_map<std::string_view, int> loads_;
};

// Bytes read from disk between two steps: some milliseconds where others wait for their tokens, else as much as leaves
// a cancel() to be noticed.
constexpr std::uint64_t kRestoredBesideOthers = 8 << 20, kRestoredAlone = 64 << 20;

}  // namespace

Scheduler::Scheduler(PagePool& pool, PrefixCache& cache, DiskPages* disk, CacheScope scope, SchedulerLimits limits)
    : pool_(pool), cache_(cache), disk_(disk), scope_(std::move(scope)), limits_(limits) {
  if (limits.step_rows < 1 || limits.prefill_rows < 1 || limits.sequences < 1 || limits.background_rows < 1)
    fail(ErrorKind::input,
         "scheduler: {} rows a step, {} of them for prompts, {} of background work, {} sequences; each must be at "
         "least 1",
         limits.step_rows, limits.prefill_rows, limits.background_rows, limits.sequences);
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  ++changes_;
  insert_in_order(waiting_, std::move(sequence));
}

Sequence* Scheduler::find(RequestId id) const {
  for (const Owned* list : {&running_, &waiting_})
    for (const auto& sequence : *list)
      if (sequence->id == id) return sequence.get();
  return nullptr;
}

std::vector<Sequence*> Scheduler::all() const {
  std::vector<Sequence*> result;
  for (const Owned* list : {&running_, &waiting_})
    for (const auto& sequence : *list) result.push_back(sequence.get());
  return result;
}

std::vector<Planned> Scheduler::plan() {
  std::vector<Planned> plan;
  if (waiting_.empty() && running_.empty()) {
    restorable_ = kRestoredAlone;
    plan_background(plan);
    return plan;
  }
  pause_background();
  promote();
  admit();
  restorable_ = running() > 1 ? kRestoredBesideOthers : kRestoredAlone;
  plan_decodes(plan, decode_rank());
  plan_prompts(plan);
  return plan;
}

void Scheduler::commit(const Planned& planned) {
  Sequence& sequence = *planned.sequence;
  sequence.computed += planned.rows;
  for (; (sequence.registered + 1) * kPageTokens <= sequence.computed; ++sequence.registered) {
    PageIndex& page = sequence.pages[static_cast<std::size_t>(sequence.registered)];
    page = cache_.insert(sequence.cursor, page, page_ids(sequence, sequence.registered));
    const auto end = static_cast<std::size_t>(sequence.registered + 1) * kPageTokens;
    if (disk_ != nullptr && sequence.cursor.valid && end <= sequence.request.prompt.size()) disk_->keep(page);
  }
}

std::unique_ptr<Sequence> Scheduler::remove(Sequence* sequence, bool keep) {
  if (keep) {
    insert_tail(*sequence);
    if (disk_ != nullptr) keep_on_disk(*sequence);
  }
  return take_out(sequence);
}

std::unique_ptr<Sequence> Scheduler::take_out(Sequence* sequence) {
  ++changes_;
  release_pages(*sequence);
  Owned& list = sequence->running ? running_ : waiting_;
  const auto place = find_in(list, sequence);
  std::unique_ptr<Sequence> owned = std::move(*place);
  list.erase(place);
  return owned;
}

void Scheduler::preempt(Sequence* sequence) {
  assert(sequence->running);
  sequence->longest_computed = std::max(sequence->longest_computed, sequence->computed);
  insert_tail(*sequence);
  std::unique_ptr<Sequence> owned = take_out(sequence);
  owned->running = false;
  ++owned->usage.preemptions;
  ++preemptions_;
  insert_in_order(waiting_, std::move(owned));
}

// One at a time: the others of its priority wait on, and those of the highest lose one place in all.
void Scheduler::promote() {
  if (waiting_.empty() || limits_.patience_seconds <= 0) return;
  int highest = waiting_.front()->rank;
  for (const Owned* list : {&running_, &waiting_})
    for (const auto& sequence : *list) {
      if (sequence->promoted) return;
      highest = std::max(highest, sequence->rank);
    }
  const auto patience = std::chrono::duration<double>(limits_.patience_seconds);
  const Sequence::Clock::time_point now = Sequence::Clock::now();
  for (const auto& sequence : waiting_) {  // by arrival
    if (now - sequence->submitted < patience) return;
    if (sequence->rank == highest) continue;
    sequence->rank = highest;
    sequence->promoted = true;
    return;
  }
}

void Scheduler::admit() {
  while (!waiting_.empty()) {
    Sequence& next = next_waiting();
    const bool slot = running() < limits_.sequences;
    const int missing = slot ? try_start(next) : 0;
    if (!slot || missing > 0) {
      if (!make_way(next, missing)) return;  // what is first stays first: nobody small overtakes it for ever
      continue;
    }
    const auto place = find_in(waiting_, &next);
    std::unique_ptr<Sequence> sequence = std::move(*place);
    waiting_.erase(place);
    sequence->running = true;
    insert_in_order(running_, std::move(sequence));
    ++changes_;
  }
}

Sequence& Scheduler::next_waiting() const {
  const AccountLoads loads(running_);
  return **std::ranges::min_element(waiting_, {}, [&](const auto& sequence) {
    return std::tuple(-std::int64_t{sequence->rank}, !sequence->promoted, loads.of(*sequence), sequence->id);
  });
}

// Preempts those that have to stand back for `next`, until a slot and `pages` pages are free. False: nobody has to, or
// it would not be enough.
bool Scheduler::make_way(const Sequence& next, int pages) {
  AccountLoads loads(running_);
  std::vector<Sequence*> victims;
  const int slots = running() - limits_.sequences + 1;
  while (static_cast<int>(victims.size()) < std::max(slots, 0) || pages > 0) {
    Sequence* victim = nullptr;
    const auto rank = [&](const Sequence& s) {
      return std::tuple(std::int64_t{s.rank}, -loads.of(s), -static_cast<std::int64_t>(s.id));
    };
    for (const auto& sequence : running_) {
      const bool lower = sequence->rank < next.rank;
      const bool richer =
          sequence->rank == next.rank && !sequence->promoted && loads.of(*sequence) > loads.of(next) + 1;
      if (!(lower || richer) || std::ranges::find(victims, sequence.get()) != victims.end()) continue;
      if (victim == nullptr || rank(*sequence) < rank(*victim)) victim = sequence.get();
    }
    if (victim == nullptr) return false;
    victims.push_back(victim);
    loads.less(*victim);
    for (const PageIndex page : victim->pages) pages -= pool_.references(page) == 1;
    pages -= 1 + std::max(0, pages_for(victim->ids.size() + 1) - static_cast<int>(victim->pages.size()));
  }
  for (Sequence* victim : victims) preempt(victim);
  return !victims.empty();
}

// Where it stands in the cache, with the pages that are there.
void Scheduler::attach(Sequence& sequence) {
  CacheScope scope = scope_;
  scope.account = sequence.request.account;
  scope.user = sequence.request.user;
  sequence.cursor = sequence.request.use_cache ? cache_.root(scope) : PrefixCache::Cursor{};
  sequence.restoring = disk_ != nullptr && sequence.cursor.valid;
  reuse_full_pages(sequence);
}

// 0: its pages are there, or there will be; else how many are missing.
int Scheduler::try_start(Sequence& sequence) {
  attach(sequence);
  const int needed = pages_for(sequence.ids.size() + 1) - static_cast<int>(sequence.pages.size());
  // A page of room for each that runs, so that it is not preempted right after.
  const int missing = needed + promised_pages() + running() - cache_.available();
  if (!running_.empty() && missing > 0) {
    release_pages(sequence);
    return missing;
  }
  count_reuse(sequence, 0);
  if (!sequence.restoring) reuse_partial_page(sequence);
  return 0;
}

// Takes what is in memory and on disk, page by page. False: there is more, for the next step.
bool Scheduler::restore(Sequence& sequence) {
  for (;;) {
    const int before = sequence.computed;
    reuse_full_pages(sequence);
    count_reuse(sequence, before);
    if ((sequence.registered + 1) * kPageTokens > sequence.reusable()) break;
    const auto ids = page_ids(sequence, sequence.registered);
    if (!disk_->has(sequence.cursor, ids)) break;
    if (restorable_ == 0) return false;
    restorable_ -= std::min(restorable_, disk_->page_bytes());
    const PageIndex page = disk_->read(sequence.cursor, ids);
    if (page == kNoPage) break;
    sequence.pages.push_back(cache_.insert(sequence.cursor, page, ids));
    ++sequence.registered;
    sequence.computed += kPageTokens;
    restored_ += kPageTokens;
    count_reuse(sequence, sequence.computed - kPageTokens);
  }
  sequence.restoring = false;
  reuse_partial_page(sequence);
  return true;
}

int Scheduler::promised_pages() const {
  int promised = 0;
  for (const auto& sequence : running_)
    promised += std::max(0, pages_for(sequence->ids.size() + 1) - static_cast<int>(sequence->pages.size()));
  return promised;
}

void Scheduler::reuse_full_pages(Sequence& sequence) {
  while ((sequence.registered + 1) * kPageTokens <= sequence.reusable()) {
    const PageIndex page = cache_.find(sequence.cursor, page_ids(sequence, sequence.registered));
    if (page == kNoPage) return;
    pool_.retain(page);
    sequence.pages.push_back(page);
    cache_.descend(sequence.cursor, page);
    ++sequence.registered;
    sequence.computed += kPageTokens;
  }
}

void Scheduler::reuse_partial_page(Sequence& sequence) {
  const int left = sequence.reusable() - sequence.computed;
  const auto wanted = page_ids(sequence, sequence.registered, std::min(left, kPageTokens));
  const PrefixCache::Partial source = cache_.find_partial(sequence.cursor, wanted);
  if (const PageIndex page = restore_beginning(sequence, wanted, source.tokens); page != kNoPage) {
    sequence.pages.push_back(page);
    return;
  }
  if (source.page == kNoPage) return;
  pool_.retain(source.page);  // so that it is not given up for the page it is copied to
  const PageIndex page = cache_.take();
  if (page != kNoPage) {
    pool_.copy(source.page, page);
    sequence.pages.push_back(page);
    sequence.computed += source.tokens;
    count_reuse(sequence, sequence.computed - source.tokens);
  }
  cache_.release(source.page);
}

// The beginning of a page from disk, where it is worth more than the `known` ids that are in memory.
PageIndex Scheduler::restore_beginning(Sequence& sequence, std::span<const std::int32_t> wanted, int known) {
  if (disk_ == nullptr || !sequence.cursor.valid || wanted.empty()) return kNoPage;
  const int tokens = disk_->beginning(sequence.cursor, wanted);
  if (tokens < known + PrefixCache::kLeastCopied) return kNoPage;
  const PageIndex page = disk_->read(sequence.cursor, wanted.first(static_cast<std::size_t>(tokens)));
  if (page == kNoPage) return kNoPage;
  sequence.computed += tokens;
  restored_ += static_cast<std::uint64_t>(tokens);
  count_reuse(sequence, sequence.computed - tokens);
  return page;
}

void Scheduler::count_reuse(Sequence& sequence, int from) {
  reused_ += static_cast<std::uint64_t>(sequence.computed - from);
  const int prompt = static_cast<int>(sequence.request.prompt.size());
  sequence.usage.cached_tokens +=
      std::max(0, std::min(sequence.computed, prompt) - std::max(from, sequence.longest_computed));
}

// The least rank that decodes in this step.
int Scheduler::decode_rank() {
  int highest = std::numeric_limits<int>::min();
  for (const auto& sequence : running_)
    if (sequence->pending() > 1) highest = std::max(highest, sequence->rank);
  const bool lower = std::ranges::any_of(
      running_, [&](const auto& sequence) { return sequence->pending() == 1 && sequence->rank < highest; });
  stood_back_ = lower && !stood_back_;
  return stood_back_ ? highest : std::numeric_limits<int>::min();
}

void Scheduler::plan_decodes(std::vector<Planned>& plan, int least_rank) {
  std::vector<Sequence*> ready;
  for (const auto& sequence : running_)
    if (sequence->pending() == 1 && sequence->rank >= least_rank) ready.push_back(sequence.get());
  if (ready.empty()) return;
  if (static_cast<int>(ready.size()) > limits_.step_rows) {  // in turns
    turn_ %= ready.size();
    std::ranges::rotate(ready, ready.begin() + static_cast<std::ptrdiff_t>(turn_));
    ready.resize(static_cast<std::size_t>(limits_.step_rows));
    turn_ += ready.size();
  }
  for (Sequence* sequence : ready)
    if (sequence->running && give_pages(*sequence, 1, plan)) plan.push_back({sequence, 1, true});
}

void Scheduler::plan_prompts(std::vector<Planned>& plan) {
  const int free_rows = limits_.step_rows - static_cast<int>(plan.size());
  const int rows = plan.empty() ? free_rows : std::min(free_rows, limits_.prefill_rows);
  const std::vector<Sequence*> prompts = prompts_to_compute();
  std::vector<RowDemand> demands;
  for (const Sequence* sequence : prompts)
    demands.push_back({sequence->rank, sequence->request.account, sequence->pending()});
  const std::vector<int> share = share_rows(demands, rows);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Sequence* sequence = prompts[i];
    if (share[i] == 0 || !sequence->running || !give_pages(*sequence, share[i], plan)) continue;
    plan.push_back({sequence, share[i], share[i] == sequence->pending()});
  }
}

// Those that still read their prompt, without those that wait for an older one to compute the very page they need next.
std::vector<Sequence*> Scheduler::prompts_to_compute() {
  std::vector<Sequence*> prompts;
  std::unordered_set<Hash128> being_computed;
  for (const auto& owned : running_) {
    Sequence& sequence = *owned;
    if (sequence.pending() <= 1) continue;
    if (sequence.restoring && !restore(sequence)) continue;
    if (sequence.pending() <= 1) continue;  // all of it was on disk: it goes on as one that decodes
    const bool at_border = sequence.computed == sequence.registered * kPageTokens &&
                           sequence.pages.size() == static_cast<std::size_t>(sequence.registered);
    if (at_border) {
      const int before = sequence.computed;
      reuse_full_pages(sequence);
      count_reuse(sequence, before);
    }
    const bool has_full_page = static_cast<int>(sequence.ids.size()) >= (sequence.registered + 1) * kPageTokens;
    if (sequence.cursor.valid && has_full_page) {
      const Hash128 next = PrefixCache::chain(sequence.cursor, page_ids(sequence, sequence.registered));
      if (!being_computed.insert(next).second && at_border) continue;
    }
    prompts.push_back(&sequence);
  }
  return prompts;
}

// Pages for `rows` more positions. The running sequence of the lowest priority, of these the youngest, pays; if that is
// this one, it waits and false is returned.
bool Scheduler::give_pages(Sequence& sequence, int rows, std::vector<Planned>& plan) {
  const auto needed = static_cast<std::size_t>(pages_for(static_cast<std::size_t>(sequence.computed + rows)));
  while (sequence.pages.size() < needed) {
    const PageIndex page = cache_.take();
    if (page != kNoPage) {
      sequence.pages.push_back(page);
      continue;
    }
    Sequence* victim = std::ranges::min_element(running_, {}, [](const auto& other) {
                         return std::pair(other->rank, -static_cast<std::int64_t>(other->id));
                       })->get();
    std::erase_if(plan, [&](const Planned& planned) { return planned.sequence == victim; });
    preempt(victim);
    if (victim == &sequence) return false;
  }
  return true;
}

// The last page, where it is not full, to be copied from.
void Scheduler::insert_tail(Sequence& sequence) {
  const int tail = sequence.computed - sequence.registered * kPageTokens;
  if (tail > 0)
    cache_.insert_tail(sequence.cursor, sequence.pages[static_cast<std::size_t>(sequence.registered)],
                       page_ids(sequence, sequence.registered, tail));
}

// What will be asked for again: the prompt and an answer, but not one with thinking in it, which the next turn's prompt
// leaves out (and Engine::warm computes what it has instead).
void Scheduler::keep_on_disk(const Sequence& sequence) {
  if (!sequence.cursor.valid || sequence.pages.empty()) return;
  const bool thought = sequence.thinking.tokens() > 0 || sequence.thinking.inside();
  const auto pages =
      std::span(sequence.pages)
          .first(std::min(sequence.pages.size(), static_cast<std::size_t>(pages_for(
                                                     thought ? sequence.request.prompt.size() : sequence.ids.size()))));
  for (const PageIndex page : pages) disk_->keep(page);
  disk_->touch(pages);
}

void Scheduler::release_pages(Sequence& sequence) {
  for (; !sequence.pages.empty(); sequence.pages.pop_back()) cache_.release(sequence.pages.back());
  sequence.computed = sequence.registered = 0;
}

void Scheduler::add_background(std::unique_ptr<Sequence> sequence) {
  sequence->background = true;
  if (background_.size() >= kMostBackground) {
    pause_background();
    background_.pop_front();
  }
  background_.push_back(std::move(sequence));
}

void Scheduler::drop_background() {
  pause_background();
  background_.clear();
}

void Scheduler::pause_background() {
  if (background_.empty() || !background_.front()->running) return;
  Sequence& sequence = *background_.front();
  insert_tail(sequence);
  release_pages(sequence);
  sequence.running = false;
}

// Rows of the first one. What is complete, or finds no page, is over.
void Scheduler::plan_background(std::vector<Planned>& plan) {
  while (!background_.empty()) {
    Sequence& sequence = *background_.front();
    if (!sequence.running) {
      attach(sequence);
      sequence.running = true;
      if (!sequence.restoring) reuse_partial_page(sequence);
    }
    if (sequence.restoring && !restore(sequence)) return;
    const int rows = std::min(sequence.pending(), limits_.background_rows);
    if (rows > 0 && sequence.cursor.valid && give_background_pages(sequence, rows)) {
      plan.push_back({&sequence, rows, false});
      return;
    }
    insert_tail(sequence);
    if (disk_ != nullptr) keep_on_disk(sequence);
    release_pages(sequence);
    background_.pop_front();
  }
}

bool Scheduler::give_background_pages(Sequence& sequence, int rows) {
  const auto needed = static_cast<std::size_t>(pages_for(static_cast<std::size_t>(sequence.computed + rows)));
  while (sequence.pages.size() < needed) {
    const PageIndex page = cache_.take();
    if (page == kNoPage) return false;
    sequence.pages.push_back(page);
  }
  return true;
}

}  // namespace limpid

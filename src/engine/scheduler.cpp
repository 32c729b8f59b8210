#include "engine/scheduler.h"

#include <algorithm>
#include <cassert>
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

}  // namespace

Scheduler::Scheduler(PagePool& pool, PrefixCache& cache, CacheScope scope, SchedulerLimits limits)
    : pool_(pool), cache_(cache), scope_(std::move(scope)), limits_(limits) {
  if (limits.step_rows < 1 || limits.prefill_rows < 1 || limits.sequences < 1)
    fail(ErrorKind::input, "scheduler: {} rows a step, {} of them for prompts, {} sequences; each must be at least 1",
         limits.step_rows, limits.prefill_rows, limits.sequences);
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
  admit();
  std::vector<Planned> plan;
  plan_decodes(plan);
  plan_prompts(plan);
  return plan;
}

void Scheduler::commit(const Planned& planned) {
  Sequence& sequence = *planned.sequence;
  sequence.computed += planned.rows;
  for (; (sequence.registered + 1) * kPageTokens <= sequence.computed; ++sequence.registered) {
    PageIndex& page = sequence.pages[static_cast<std::size_t>(sequence.registered)];
    page = cache_.insert(sequence.cursor, page, page_ids(sequence, sequence.registered));
  }
}

std::unique_ptr<Sequence> Scheduler::remove(Sequence* sequence, bool keep) {
  ++changes_;
  release_pages(*sequence, keep);
  Owned& list = sequence->running ? running_ : waiting_;
  const auto place = find_in(list, sequence);
  std::unique_ptr<Sequence> owned = std::move(*place);
  list.erase(place);
  return owned;
}

void Scheduler::preempt(Sequence* sequence) {
  assert(sequence->running);
  sequence->longest_computed = std::max(sequence->longest_computed, sequence->computed);
  std::unique_ptr<Sequence> owned = remove(sequence, true);
  owned->running = false;
  ++owned->usage.preemptions;
  ++preemptions_;
  insert_in_order(waiting_, std::move(owned));
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
    return std::tuple(-std::int64_t{sequence->request.priority}, loads.of(*sequence), sequence->id);
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
      return std::tuple(std::int64_t{s.request.priority}, -loads.of(s), -static_cast<std::int64_t>(s.id));
    };
    for (const auto& sequence : running_) {
      const bool lower = sequence->request.priority < next.request.priority;
      const bool richer =
          sequence->request.priority == next.request.priority && loads.of(*sequence) > loads.of(next) + 1;
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

// 0: its pages are there, or there will be; else how many are missing.
int Scheduler::try_start(Sequence& sequence) {
  CacheScope scope = scope_;
  scope.account = sequence.request.account;
  scope.user = sequence.request.user;
  sequence.cursor = sequence.request.use_cache ? cache_.root(scope) : PrefixCache::Cursor{};
  reuse_full_pages(sequence);
  const int needed = pages_for(sequence.ids.size() + 1) - static_cast<int>(sequence.pages.size());
  // A page of room for each that runs, so that it is not preempted right after.
  const int missing = needed + promised_pages() + running() - cache_.available();
  if (!running_.empty() && missing > 0) {
    release_pages(sequence, true);
    return missing;
  }
  count_reuse(sequence, 0);
  reuse_partial_page(sequence);
  return 0;
}

int Scheduler::promised_pages() const {
  int promised = 0;
  for (const auto& sequence : running_)
    promised += std::max(0, pages_for(sequence->ids.size() + 1) - static_cast<int>(sequence->pages.size()));
  return promised;
}

// The last id known is always computed, never taken: its logits are wanted.
void Scheduler::reuse_full_pages(Sequence& sequence) {
  const int limit = static_cast<int>(sequence.ids.size()) - 1;
  while ((sequence.registered + 1) * kPageTokens <= limit) {
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
  const int left = static_cast<int>(sequence.ids.size()) - 1 - sequence.computed;
  const auto wanted = page_ids(sequence, sequence.registered, std::min(left, kPageTokens));
  const PrefixCache::Partial source = cache_.find_partial(sequence.cursor, wanted);
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

void Scheduler::count_reuse(Sequence& sequence, int from) {
  reused_ += static_cast<std::uint64_t>(sequence.computed - from);
  const int prompt = static_cast<int>(sequence.request.prompt.size());
  sequence.usage.cached_tokens +=
      std::max(0, std::min(sequence.computed, prompt) - std::max(from, sequence.longest_computed));
}

void Scheduler::plan_decodes(std::vector<Planned>& plan) {
  std::vector<Sequence*> ready;
  for (const auto& sequence : running_)
    if (sequence->pending() == 1) ready.push_back(sequence.get());
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
    demands.push_back({sequence->request.priority, sequence->request.account, sequence->pending()});
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
                         return std::pair(other->request.priority, -static_cast<std::int64_t>(other->id));
                       })->get();
    std::erase_if(plan, [&](const Planned& planned) { return planned.sequence == victim; });
    preempt(victim);
    if (victim == &sequence) return false;
  }
  return true;
}

void Scheduler::release_pages(Sequence& sequence, bool keep) {
  const int tail = sequence.computed - sequence.registered * kPageTokens;
  if (keep && tail > 0)
    cache_.insert_tail(sequence.cursor, sequence.pages[static_cast<std::size_t>(sequence.registered)],
                       page_ids(sequence, sequence.registered, tail));
  for (; !sequence.pages.empty(); sequence.pages.pop_back()) cache_.release(sequence.pages.back());
  sequence.computed = sequence.registered = 0;
}

}  // namespace limpid

// Thinking: where an answer thinks, how long it may, and the ids that end it. The engine knows ids only; chat/ says
// which ids open and close.
//
// Every id generated between opening and closing counts against the budget, over all the thinking of one answer. When
// the budget is used up, the closing ids are forced, one position each, and the model goes on from there.
//
// A budget in seconds runs on the clock on the wall from the first id of the thinking on (where the prompt opened it:
// from the first id of the answer; waiting and reading the prompt do not count). What is said then depends on the
// machine: one answer does not cover it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace limpid {

struct ThinkingRule {
  std::vector<std::int32_t> open,
      close;  // the ids of "<think>" and "</think>"; close empty: this model does not think, no rule
  std::vector<std::int32_t> closing;  // what is forced to end the thinking; empty: `close`. Must contain `close`.
  bool inside = false;                // the prompt ends inside the thinking
  std::optional<int> budget;          // ids; none: no limit
  std::optional<double> seconds;      // likewise in seconds
};

// Throws Error(input) on ids outside the vocabulary, a budget that is negative or no number, or closing ids that do not
// contain `close`.
void check_thinking(const ThinkingRule& rule, int vocabulary);

class ThinkingTracker {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit ThinkingTracker(ThinkingRule rule);

  // The id that must come next, or none. Asked before each pick; moves on with accept().
  std::optional<std::int32_t> forced() const;
  void accept(std::int32_t id, Time now);  // appended to the answer
  void stop();                             // "stop thinking now, answer"

  bool inside() const { return inside_; }
  int tokens() const { return tokens_; }  // generated inside, the closing ids not counted where they were forced

 private:
  bool ends_with(std::span<const std::int32_t> marker) const;
  void move(std::int32_t id);
  bool used_up(Time now);

  ThinkingRule rule_;
  std::vector<std::int32_t> recent_;  // as many last ids as the longest marker has
  std::size_t keep_ = 0;
  bool inside_ = false;
  int tokens_ = 0;
  std::size_t forced_ = 0;  // of rule_.closing, done
  bool forcing_ = false;
  std::optional<Time> since_;  // of the thinking that goes on
  double seconds_ = 0;         // of the thinking before
};

}  // namespace limpid

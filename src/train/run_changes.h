// What may change of a run's configuration between a checkpoint and going on from it, where whoever runs it names the
// field (--change): the schedule and the bounds of a step, so that advice after a run that diverged can be followed.
// Everything else makes another run. DIR/changes.jsonl keeps what was changed, from which step on. Stateless.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace limpid {

struct RunChange {
  std::string field;        // as the configuration has it: "schedule.learning_rate"
  nlohmann::json from, to;  // null: not told
};

// "a, b": the names between commas.
std::vector<std::string> change_list(const std::string& text);

// Of `limpid train`, `sft` and `distill`; of `limpid rl`.
const std::vector<std::string>& changeable_in_training();
const std::vector<std::string>& changeable_in_reinforcement();

// Throws Error(input) naming a field that is neither one of `allowed` nor inside one, and for any where the run is not
// taken up (`resume`).
void check_changes(const std::vector<std::string>& fields, const std::vector<std::string>& allowed, bool resume);

// Whether a field is one of the named, or inside one.
bool is_named(const std::string& field, const std::vector<std::string>& named);

// Adds lines {"step", "field", "from", "to"} behind those of earlier steps. Nothing where there are no changes.
void keep_changes(const std::string& directory, std::int64_t step, const std::vector<RunChange>& changes);

}  // namespace limpid

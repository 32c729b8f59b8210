#include "train/run_changes.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "train/run_directory.h"

namespace limpid {

std::vector<std::string> change_list(const std::string& text) {
  std::vector<std::string> names(1);
  for (char c : text) {
    if (c == ',')
      names.emplace_back();
    else if (c != ' ')
      names.back() += c;
  }
  std::erase(names, "");
  return names;
}

const std::vector<std::string>& changeable_in_training() {
  static const std::vector<std::string> fields = {"schedule", "optimiser.clip", "divergence"};
  return fields;
}

const std::vector<std::string>& changeable_in_reinforcement() {
  static const std::vector<std::string> fields = {"grpo.learning_rate", "grpo.warmup_steps",   "grpo.clip_low",
                                                  "grpo.clip_high",     "grpo.optimiser.clip", "grpo.divergence"};
  return fields;
}

bool is_named(const std::string& field, const std::vector<std::string>& named) {
  return std::ranges::any_of(named,
                             [&](const std::string& name) { return field == name || field.starts_with(name + "."); });
}

void check_changes(const std::vector<std::string>& fields, const std::vector<std::string>& allowed, bool resume) {
  if (!fields.empty() && !resume)
    fail(ErrorKind::input, "--change {}: only a run that is taken up (--resume) has something to change", fields[0]);
  for (const std::string& field : fields)
    if (!is_named(field, allowed))
      fail(ErrorKind::input,
           "--change {}: a run that goes on may change {}; anything else makes another run: another --out", field,
           fmt::join(allowed, ", "));
}

void keep_changes(const std::string& directory, std::int64_t step, const std::vector<RunChange>& changes) {
  if (changes.empty()) return;
  MetricsFile file(directory + "/changes.jsonl", step - 1);
  for (const RunChange& change : changes)
    file.add({{"step", step}, {"field", change.field}, {"from", change.from}, {"to", change.to}});
}

}  // namespace limpid

// Names of DeepSeek's API and the rules that come with them. A served model under its own id takes every parameter; a
// name of DeepSeek's stands for the default model and behaves as its documentation says, so that programs written for
// it find what they expect.
//
// | name | thinking | rules |
// | deepseek-reasoner | on | of the R1 days (January 2025) |
// | deepseek-chat | off, unless `thinking` says otherwise | of today |
// | deepseek-flash, deepseek-v4-pro, deepseek-v4-flash | on, unless ... | of today |
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

enum class ApiRules {
  own,  // thinking changes nothing about the other parameters
  // R1 days: thinking ignores temperature, top_p and penalties; tools, JSON output, logprobs, completions and
  // reasoning_content sent back are errors.
  r1,
  // Today: thinking ignores temperature and penalties; reasoning_content sent back is ignored, but an assistant message
  // with tool calls must bring it.
  current,
};

struct ModelName {
  ApiRules rules = ApiRules::own;
  std::optional<bool> thinking;         // the name's own; none: the model's template decides
  std::int64_t default_max_tokens = 0;  // documented; 0: none
};

// Of the name in a request. `served` are the ids there are: one that is really called "deepseek-chat" is itself.
ModelName model_name(std::string_view name, const std::vector<std::string>& served);

// Names that stand for the default model, for the list of models.
std::vector<std::string> deepseek_names();

// The budget of thinking that an effort means, in tokens: minimal, low 2048; medium, high, xhigh 16384; max, ultra no
// limit. Outer nothing: no such effort ("none" is one: it turns thinking off, 0).
std::optional<std::optional<std::int64_t>> effort_budget(std::string_view effort);

}  // namespace limpid

// Fill in the middle: the prompt by which a model writes what stands between two texts, with the control tokens that it
// was trained with. Known: DeepSeek's (V2, V3, Coder), Qwen's, StarCoder's and CodeLlama's.
#pragma once

#include <optional>
#include <string_view>

#include "chat/prompt.h"
#include "text/tokenizer.h"

namespace limpid {

// Nothing where the tokenizer has no such tokens. Neither text can bring a control token of its own.
std::optional<ChatPrompt> fill_in_middle(const Tokenizer& tokenizer, std::string_view before, std::string_view after);

}  // namespace limpid

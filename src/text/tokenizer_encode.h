// Encoding with a built tokenizer (private to tokenizer*.cpp).
#pragma once

#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace limpid {

std::vector<TokenId> encode_text(const TokenizerState& state, std::string_view text, EncodeOptions options);

}  // namespace limpid

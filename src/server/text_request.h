// The bodies of POST /tokenize and /detokenize. They know no model: what is wrong is refused before one is loaded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

struct TokenizeRequest {
  std::string model, content;
  bool messages = false;  // instead of content: the body is one of /chat/completions, too
  bool parse_special = false, add_special = false, with_pieces = false;
};
// Throws ApiError.
TokenizeRequest parse_tokenize(std::string_view body);

struct DetokenizeRequest {
  std::string model;
  std::vector<std::int64_t> tokens;  // any number: the model's vocabulary is not known here
};
DetokenizeRequest parse_detokenize(std::string_view body);

}  // namespace limpid

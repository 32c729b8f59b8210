#include "server/text_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/request_fields.h"

namespace limpid {

TokenizeRequest parse_tokenize(std::string_view body) {
  const nlohmann::ordered_json json = parse_body(body);
  RequestFields fields(json, "");
  TokenizeRequest out;
  out.model = fields.text("model").value_or("");
  out.messages = fields.has("messages");
  if (!out.messages) out.content = fields.required_text("content");
  out.parse_special = fields.boolean("parse_special").value_or(false);
  out.add_special = fields.boolean("add_special").value_or(false);
  out.with_pieces = fields.boolean("with_pieces").value_or(false);
  return out;
}

DetokenizeRequest parse_detokenize(std::string_view body) {
  const nlohmann::ordered_json json = parse_body(body);
  RequestFields fields(json, "");
  DetokenizeRequest out;
  out.model = fields.text("model").value_or("");
  const nlohmann::ordered_json& tokens = fields.required("tokens");
  if (!tokens.is_array()) fields.wrong_type("tokens", "a list of token ids", tokens);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string name = fmt::format("tokens[{}]", i);
    if (!tokens[i].is_number_integer()) fields.wrong_type(name, "a token id", tokens[i]);
    // An id is far below this; a number beyond 63 bits is none, whatever its bits say.
    const bool huge = tokens[i].is_number_unsigned() && tokens[i].get<std::uint64_t>() > INT64_MAX;
    out.tokens.push_back(huge ? INT64_MAX : tokens[i].get<std::int64_t>());
  }
  return out;
}

}  // namespace limpid

#include "server/openai_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "server/error_body.h"

namespace limpid {

namespace {

// Bytes of the UTF-8 character that begins at text[0]; 0: it is none.
std::size_t character_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((at(i) & 0xC0) != 0x80) return 0;
  const bool overlong = (first == 0xE0 && at(1) < 0xA0) || (first == 0xF0 && at(1) < 0x90);
  const bool surrogate = first == 0xED && at(1) > 0x9F;
  const bool beyond = first == 0xF4 && at(1) > 0x8F;
  return overlong || surrogate || beyond ? 0 : size;
}

double per_second(std::int64_t tokens, double time) { return time > 0 ? static_cast<double>(tokens) / time : 0; }

}  // namespace

std::string json_number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "-9999.0"; }

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      ++i;
    } else if (c == '\n') {
      out += "\\n";
      ++i;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      ++i;
    } else if (const std::size_t size = character_bytes(text.substr(i)); size > 0) {
      out += text.substr(i, size);
      i += size;
    } else {
      out += "\xEF\xBF\xBD";
      ++i;
    }
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string usage_json(const AnswerUsage& usage) {
  return fmt::format(
      R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{}}},)"
      R"("completion_tokens_details":{{"reasoning_tokens":{}}},"prompt_cache_hit_tokens":{},"prompt_cache_miss_tokens":{}}})",
      usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens + usage.completion_tokens, usage.cached_tokens,
      usage.thinking_tokens, usage.cached_tokens, usage.prompt_tokens - usage.cached_tokens);
}

std::string timings_json(const AnswerUsage& usage) {
  const std::int64_t computed = usage.prompt_tokens - usage.cached_tokens;
  return fmt::format(R"({{"cache_n":{},"prompt_n":{},"prompt_ms":{:.3f},"prompt_per_second":{:.2f},"predicted_n":{},)"
                     R"("predicted_ms":{:.3f},"predicted_per_second":{:.2f},"queue_ms":{:.3f}}})",
                     usage.cached_tokens, computed, usage.prefill_seconds * 1e3,
                     per_second(computed, usage.prefill_seconds), usage.completion_tokens, usage.decode_seconds * 1e3,
                     per_second(usage.completion_tokens, usage.decode_seconds), usage.queue_seconds * 1e3);
}

std::string_view finish_name(ChatFinish finish) {
  // An answer that failed has no reason; what came of it before counts as cut.
  return finish == ChatFinish::error ? "length" : name(finish);
}

std::string logprob_json(const ChatTokenInfo& info, int top) {
  const auto token = [](std::string& out, const ChatToken& one) {
    out += R"({"token":)";
    append_json_string(out, one.bytes);
    out += fmt::format(R"(,"logprob":{},"bytes":[)", json_number(one.logprob));
    for (std::size_t i = 0; i < one.bytes.size(); ++i)
      out += fmt::format("{}{}", i == 0 ? "" : ",", static_cast<unsigned char>(one.bytes[i]));
    out += ']';
  };
  std::string out;
  token(out, info.token);
  out += R"(,"top_logprobs":[)";
  const std::size_t count = std::min(info.alternatives.size(), static_cast<std::size_t>(top));
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    token(out, info.alternatives[i]);
    out += '}';
  }
  out += "]}";
  return out;
}

std::string error_event(const ApiError& error) { return openai_error_body(error, {}); }

}  // namespace limpid

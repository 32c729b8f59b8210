// Any bytes as a tokenizer.json and, behind the first NUL, a text: a tokenizer that encodes and decodes it, or an
// Error.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void encode(const limpid::Tokenizer& tokenizer, std::string_view text, bool special) {
  const std::vector<limpid::TokenId> ids = tokenizer.encode(text, {.special = special, .bos = true, .eos = true});
  limpid::StreamDecoder decoder;
  std::string streamed, all;
  for (const limpid::TokenId id : ids) {
    check(id >= 0 && static_cast<std::size_t>(id) < tokenizer.vocabulary_size());
    all += tokenizer.token_bytes(id);
    streamed += decoder.push(tokenizer.token_bytes(id));
  }
  streamed += decoder.finish();
  check(streamed == limpid::to_valid_utf8(all));
  (void)tokenizer.decode(ids, special);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view json = input.substr(0, input.find('\0'));
  const std::string_view text =
      json.size() < size ? input.substr(json.size() + 1) : "some text, 123 \xE4\xB8\xAD e\xCC\x81";
  try {
    const limpid::Tokenizer tokenizer = limpid::Tokenizer::from_json(std::as_bytes(std::span(json)), {}, "fuzz.json");
    encode(tokenizer, text, false);
    encode(tokenizer, text, true);
  } catch (const limpid::Error&) {
  }
  return 0;
}

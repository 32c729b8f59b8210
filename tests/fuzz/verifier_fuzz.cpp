// Any bytes as a model's reply: judged without a crash, and what is called right is right by a second look. Byte 0 picks
// the kind of check.
#include <cstdint>
#include <string>
#include <string_view>

#include "train/verifier.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  limpid::Sample sample;
  sample.prompt = "3、7、8 make 29";
  sample.check.kind = static_cast<limpid::Check::Kind>(data[0] % 3);
  sample.check.accepted = {"29"};
  sample.check.numbers = {3, 7, 8};
  sample.check.value = 29;
  const std::string_view reply(reinterpret_cast<const char*>(data) + 1, size - 1);
  const limpid::Judgement judgement = limpid::judge(sample, reply);
  if (!(judgement.language_share >= 0 && judgement.language_share <= 1)) __builtin_trap();
  const limpid::ReplyParts parts = limpid::take_apart(reply);
  if (parts.thinking.size() + parts.answer.size() > reply.size()) __builtin_trap();
  // White space and a full stop around an answer change nothing.
  if (parts.answer.size() < 200 && judgement.correct &&
      !limpid::is_correct(sample.check, "  " + std::string(parts.answer) + " ")) {
    __builtin_trap();
  }
  // A right expression holds each number's digit once before any equals sign.
  if (judgement.correct && sample.check.kind == limpid::Check::Kind::expression) {
    for (const char digit : {'3', '7', '8'}) {
      if (parts.answer.find(digit) == std::string_view::npos) __builtin_trap();
    }
  }
  return 0;
}

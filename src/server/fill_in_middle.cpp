#include "server/fill_in_middle.h"

#include <array>

namespace limpid {

namespace {

// begin BEFORE middle AFTER end: DeepSeek names the hole, the others the suffix and then the middle.
struct Marks {
  std::string_view begin, middle, end;
};

constexpr std::array<Marks, 4> kMarks{{
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
    {"▁<PRE>", "▁<SUF>", "▁<MID>"},
}};

}  // namespace

std::optional<ChatPrompt> fill_in_middle(const Tokenizer& tokenizer, std::string_view before, std::string_view after) {
  for (const Marks& marks : kMarks) {
    const auto begin = tokenizer.special_id(marks.begin), middle = tokenizer.special_id(marks.middle),
               end = tokenizer.special_id(marks.end);
    if (!begin || !middle || !end) continue;
    ChatPrompt prompt;
    const auto add = [&](TokenId mark, std::string_view mark_text, std::string_view text) {
      prompt.ids.push_back(mark);
      const std::vector<TokenId> ids = tokenizer.encode(text);
      prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
      prompt.text.append(mark_text).append(text);
    };
    if (tokenizer.add_bos() && tokenizer.bos()) prompt.ids.push_back(*tokenizer.bos());
    add(*begin, marks.begin, before);
    add(*middle, marks.middle, after);
    add(*end, marks.end, "");
    return prompt;
  }
  return std::nullopt;
}

}  // namespace limpid

// The generators, one function a family: each draws a problem first and its words after, so that the same draw gives the
// same problem in both languages. They fill in problem, prompt, thinking, answer and check; the rest is make_sample's.
// Internal to train/: callers use data_generate.h.
#pragma once

#include "train/data_draw.h"
#include "train/data_sample.h"

namespace limpid {

struct Ask {
  int level;
  Language language, thinking;
  bool chinese() const { return language == Language::chinese; }
  bool chinese_thinking() const { return thinking == Language::chinese; }
};

Sample make_chain(Draw& draw, const Ask& ask);
Sample make_count(Draw& draw, const Ask& ask);
Sample make_addsub(Draw& draw, const Ask& ask);
Sample make_multiply(Draw& draw, const Ask& ask);
Sample make_ordering(Draw& draw, const Ask& ask);
Sample make_boolean(Draw& draw, const Ask& ask);
Sample make_target(Draw& draw, const Ask& ask);
Sample make_word(Draw& draw, const Ask& ask);
Sample make_talk(Draw& draw, const Ask& ask);
Sample make_near_miss(Draw& draw, const Ask& ask);  // the hardest level of talk
Sample make_drill(Draw& draw, const Ask& ask);

// The second halves of the thinking of ordering and boolean, for drill: a line from its comparisons, a value from others.
void drill_line(Draw& draw, const Ask& ask, Sample& sample);
void drill_value(Draw& draw, const Ask& ask, Sample& sample);

// People of the ordering problems: half of them have one character, as puzzles name them, half two.
inline constexpr std::uint32_t kChineseNames = 16;
std::string_view chinese_name(std::uint32_t index);
// One token to a name where the tokenizer has it: English names with their space in front, 小明 as 明.
std::string name_in_thinking(std::string_view name);
// "Tom is taller than Ann": " Tom> Ann".
std::string is_above(std::string_view upper, std::string_view lower);

}  // namespace limpid

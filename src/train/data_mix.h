// Mix: which samples a model trains on and in which shares, as a data file.
//   {"families": {"addsub": {"weight": 2, "levels": [1, 4]}, "talk": {"weight": 1, "levels": [1, 3], "chinese": 0.5}},
//    "chinese": 0.5,          share of prompts in Chinese, unless a family says otherwise
//    "thinking": 0.2,         share of samples whose reply shows its thinking
//    "other_language": 0.25}  of these, the share whose thinking is in the language that the prompt is not in
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "train/data_generate.h"

namespace limpid {

struct MixPart {
  Family family = Family::addsub;
  double weight = 1;
  int least_level = 1, most_level = 1;
  double chinese = 0.5;
};

struct Mix {
  std::vector<MixPart> parts;
  double thinking = 0.2;
  double other_language = 0.25;
};

// What sample `index` of a mix is, and whether its reply shows the thinking.
struct MixedSample {
  Sample sample;
  bool with_thinking = false;
  std::string reply() const { return limpid::reply(sample, with_thinking); }
};

// Every family but drill, which is no problem, at its trained levels, with the shares of the pre-training corpus of the prototype.
Mix default_mix();
// Throws Error(input) naming the file and field for an unknown key or family, a level that the family does not have, a
// share outside 0 to 1, no weight at all.
Mix parse_mix(std::string_view json, const std::string& name);
Mix read_mix(const std::string& path);

// Pure in all its arguments.
MixedSample mixed_sample(const Mix& mix, Split split, std::uint64_t seed, std::uint64_t index);

}  // namespace limpid

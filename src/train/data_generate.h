// Endless samples of a family: sample i is a pure function of (family, level, split, seed, i), the same problem in both
// languages. Any order, any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "train/data_sample.h"

namespace limpid {

struct SampleRequest {
  Family family = Family::addsub;
  int level = 1;
  Language language = Language::english;
  Language thinking = Language::english;
  Split split = Split::train;
  std::uint64_t seed = 0;
};

// One problem in ten, by a hash of its text (FNV-1a, 64 bits, finished by multiplication and shifts), is held out. Words do not
// count: all wordings of a problem, in both languages, are on one side, and so are a plain sum and a story around it.
// Talk without a problem (greetings and the like) is never held out.
bool is_held_out(std::string_view problem);

// A sample is held out when its problem or one of its parts is: so no training sample works out a held-out problem, not
// even as a step. The reverse does not hold: a held-out sample was never seen as a whole, but all its steps may have been.
bool is_held_out(const Sample& sample);

// Throws Error(input) for a level that the family does not have, and when the split has no problem of it (talk, level 1,
// held out).
Sample make_sample(const SampleRequest& request, std::uint64_t index);

}  // namespace limpid

// Column arithmetic written out for a small model: every digit stands behind the name of its place, every carry is the
// first digit of a result, every borrow the 1 in front of a digit. 347 + 895, in English:
//   add x hundreds3 tens4 ones7 y hundreds8 tens9 ones5= ones7+5=12 tens4+9+1=14 hundreds3+8+1=12
// The answer is the last result followed by the last digits of those before it. No two words stand side by side in
// Chinese and digits have no space in front, so that the tokenizer keeps each name and each digit one token.
#pragma once

#include <cstdint>
#include <string>

#include "train/data_sample.h"

namespace limpid {

// The name of a decimal place, 0 for ones; up to 10^9. English names begin with a space.
std::string place_name(int place, Language language);

// " hundreds3 tens4 ones7"
std::string with_places(std::int64_t value, Language language);

// The worked sum, difference or product of numbers >= 0; with `first` false the operation's name continues a text.
std::string worked_sum(std::int64_t a, std::int64_t b, Language language, bool first = true);
std::string worked_difference(std::int64_t a, std::int64_t b, Language language, bool first = true);
std::string worked_product(std::int64_t a, std::int64_t b, Language language, bool first = true);

}  // namespace limpid

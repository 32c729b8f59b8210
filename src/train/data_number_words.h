// Numbers in words: 342 is "three hundred forty-two" and 三百四十二.
#pragma once

#include <cstdint>
#include <string>

#include "train/data_sample.h"

namespace limpid {

// 0 <= value <= 9999.
std::string number_in_words(std::int64_t value, Language language);

}  // namespace limpid

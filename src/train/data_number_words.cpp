#include "train/data_number_words.h"

#include <array>
#include <cassert>

namespace limpid {

namespace {

constexpr std::array<std::string_view, 20> kSmall = {
    "zero", "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",
    "ten",  "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr std::array<std::string_view, 10> kTens = {"",      "",      "twenty",  "thirty", "forty",
                                                    "fifty", "sixty", "seventy", "eighty", "ninety"};
constexpr std::array<std::string_view, 10> kNumeralDigits = {"零", "一", "二", "三", "四",
                                                             "五", "六", "七", "八", "九"};

std::string english(std::size_t value) {
  if (value < 20) return std::string(kSmall[value]);
  if (value < 100) {
    return std::string(kTens[value / 10]) + (value % 10 ? "-" + std::string(kSmall[value % 10]) : "");
  }
  const std::size_t unit = value < 1000 ? 100 : 1000;
  const std::string head = english(value / unit) + (unit == 100 ? " hundred" : " thousand");
  return value % unit ? head + " " + english(value % unit) : head;
}

// A zero between digits is said once, zeros at the end are not; 10 to 19 begin with 十.
std::string chinese(std::size_t value) {
  if (value == 0) return std::string(kNumeralDigits[0]);
  if (value >= 10 && value < 20) return "十" + (value % 10 ? std::string(kNumeralDigits[value % 10]) : "");
  constexpr std::array<std::string_view, 4> kUnits = {"千", "百", "十", ""};
  std::string out;
  bool gap = false;
  std::size_t unit = 1000;
  for (const std::string_view name : kUnits) {
    const std::size_t digit = value / unit % 10;
    if (digit == 0) {
      gap = !out.empty();
    } else {
      if (gap) out += kNumeralDigits[0];
      gap = false;
      out += kNumeralDigits[digit];
      out += name;
    }
    unit /= 10;
  }
  return out;
}

}  // namespace

std::string number_in_words(std::int64_t value, Language language) {
  assert(value >= 0 && value <= 9999);
  return language == Language::chinese ? chinese(static_cast<std::size_t>(value))
                                       : english(static_cast<std::size_t>(value));
}

}  // namespace limpid

#include "train/data_columns.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <vector>

namespace limpid {

namespace {

// Old words for 10^4, 10^5 and 10^7 give English one word for each place too.
constexpr std::array<std::string_view, 10> kPlaceEnglish = {
    " ones", " tens", " hundreds", " thousands", " myriads", " lakhs", " millions", " crores", " octads", " billions"};
constexpr std::array<std::string_view, 10> kPlaceChinese = {"个",   "十",   "百",   "千", "万",
                                                            "十万", "百万", "千万", "亿", "十亿"};

// Digits from the ones upward; at least one.
std::vector<int> digits_of(std::int64_t value) {
  std::vector<int> digits;
  do {
    digits.push_back(static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  return digits;
}

int digit_at(const std::vector<int>& digits, std::size_t place) { return place < digits.size() ? digits[place] : 0; }

std::string number(std::int64_t value) { return std::to_string(value); }

// "add x ... y ...=": the operation and both operands with their places.
std::string header(const char* english, const char* chinese, std::int64_t a, std::int64_t b, Language language,
                   bool first) {
  const bool zh = language == Language::chinese;
  std::string out = zh ? (first ? "" : ";") : (first ? "" : "; ");
  out += zh ? chinese : english;
  return out + (zh ? "x" : " x") + with_places(a, language) + (zh ? "y" : " y") + with_places(b, language) + "=";
}

// Columns of a - b for a >= b.
void subtract_columns(std::string& out, std::int64_t a, std::int64_t b, Language language) {
  const std::vector<int> top = digits_of(a), bottom = digits_of(b);
  int borrow = 0;
  for (std::size_t i = 0; i < top.size(); ++i) {
    const int take = digit_at(bottom, i) + borrow;
    const int from = top[i] < take ? top[i] + 10 : top[i];
    out += place_name(static_cast<int>(i), language) + number(from);
    if (borrow != 0) out += "-1";
    out += "-" + number(digit_at(bottom, i)) + "=" + number(from - take);
    borrow = from > 9 ? 1 : 0;
  }
}

}  // namespace

std::string place_name(int place, Language language) {
  assert(place >= 0 && place < 10);
  const auto i = static_cast<std::size_t>(place);
  return std::string(language == Language::chinese ? kPlaceChinese[i] : kPlaceEnglish[i]);
}

std::string with_places(std::int64_t value, Language language) {
  const std::vector<int> digits = digits_of(value);
  std::string out;
  for (std::size_t i = digits.size(); i-- > 0;) out += place_name(static_cast<int>(i), language) + number(digits[i]);
  return out;
}

std::string worked_sum(std::int64_t a, std::int64_t b, Language language, bool first) {
  std::string out = header("add", "加", a, b, language, first);
  const std::vector<int> x = digits_of(a), y = digits_of(b);
  int carry = 0;
  for (std::size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
    const int sum = digit_at(x, i) + digit_at(y, i) + carry;
    out += place_name(static_cast<int>(i), language) + number(digit_at(x, i)) + "+" + number(digit_at(y, i));
    if (carry != 0) out += "+1";
    out += "=" + number(sum);
    carry = sum / 10;
  }
  return out;
}

std::string worked_difference(std::int64_t a, std::int64_t b, Language language, bool first) {
  std::string out = header("subtract", "减", a, b, language, first);
  // Which one is larger is said before the columns, because it decides which digits stand on top.
  out += a >= b ? "x>y" : "x<y";
  if (language == Language::chinese) out += ":";
  subtract_columns(out, std::max(a, b), std::min(a, b), language);
  return out;
}

// A row per digit of b; the last carry of a row gets its place too. Rows of more than one digit are then added by place.
std::string worked_product(std::int64_t a, std::int64_t b, Language language, bool first) {
  std::string out = header("times", "乘", a, b, language, first);
  const bool zh = language == Language::chinese;
  const std::vector<int> x = digits_of(a), y = digits_of(b);
  std::vector<std::vector<int>> columns(x.size() + y.size());
  for (std::size_t j = 0; j < y.size(); ++j) {
    if (y.size() > 1) out += (zh ? (j == 0 ? "行" : ";行") : (j == 0 ? " row" : "; row")) + number(y[j]);
    int carry = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int value = x[i] * y[j] + carry;
      out += place_name(static_cast<int>(i + j), language) + number(x[i]) + "*" + number(y[j]);
      if (carry != 0) out += "+" + number(carry);
      out += "=" + number(value);
      columns[i + j].push_back(value % 10);
      carry = value / 10;
    }
    if (y.size() == 1) return out;
    out += place_name(static_cast<int>(x.size() + j), language) + number(carry);
    columns[x.size() + j].push_back(carry);
  }
  out += zh ? ";和:" : "; sum";
  int carry = 0;
  for (std::size_t place = 0; place < columns.size(); ++place) {
    out += place_name(static_cast<int>(place), language);
    int sum = carry;
    for (std::size_t k = 0; k < columns[place].size(); ++k) {
      out += (k == 0 ? "" : "+") + number(columns[place][k]);
      sum += columns[place][k];
    }
    if (carry != 0) out += "+" + number(carry);
    out += "=" + number(sum);
    carry = sum / 10;
  }
  return out;
}

}  // namespace limpid

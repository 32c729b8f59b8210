// Draw: random choices that are a pure function of (seed, index, domain): the n-th choice is a word of Philox at the
// counter (index, domain, n). Two samples never share a counter, so samples may be made in any order on any thread.
#pragma once

#include <cassert>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/philox.h"

namespace limpid {

class Draw {
 public:
  Draw(std::uint64_t seed, std::uint64_t index, std::uint32_t domain) : seed_(seed), index_(index), domain_(domain) {}

  std::uint32_t next() {
    if (used_ == 4) {
      block_ = philox(
          seed_, {static_cast<std::uint32_t>(index_), static_cast<std::uint32_t>(index_ >> 32), domain_, blocks_++});
      used_ = 0;
    }
    return block_[used_++];
  }

  // From 0 to n - 1; the bias is below n / 2^32.
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>((std::uint64_t{next()} * n) >> 32); }
  // From low to high, both included; high - low < 2^32.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    assert(low <= high);
    return low + static_cast<std::int64_t>((std::uint64_t{next()} * static_cast<std::uint64_t>(high - low + 1)) >> 32);
  }
  bool chance(double probability) { return next() * 0x1p-32 < probability; }

  std::string_view pick(std::span<const std::string_view> list) {
    return list[below(static_cast<std::uint32_t>(list.size()))];
  }

  template <typename T>
  void shuffle(std::vector<T>& list) {
    for (std::size_t i = list.size(); i > 1; --i) {
      using std::swap;
      swap(list[i - 1], list[below(static_cast<std::uint32_t>(i))]);
    }
  }

 private:
  std::uint64_t seed_, index_;
  std::uint32_t domain_, blocks_ = 0;
  unsigned used_ = 4;
  PhiloxBlock block_{};
};

// The wording with each {name} replaced: fill("{a} + {b}", {{"a", "3"}, {"b", "4"}}).
inline std::string fill(std::string_view wording,
                        std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string out;
  for (std::size_t i = 0; i < wording.size();) {
    const std::size_t close = wording[i] == '{' ? wording.find('}', i) : std::string_view::npos;
    if (close == std::string_view::npos) {
      out += wording[i++];
      continue;
    }
    const std::string_view name = wording.substr(i + 1, close - i - 1);
    for (const auto& [key, value] : values) {
      if (key == name) out += value;
    }
    i = close + 1;
  }
  return out;
}

}  // namespace limpid

// Tensor: a shape over memory that somebody else owns (an arena, a cache, a mapped file). Row-major and dense.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "tensor/dtype.h"

namespace limpid {

struct Tensor {
  DType type = DType::f32;
  int rank = 0;
  std::array<std::int64_t, 4> shape = {1, 1, 1, 1};
  std::byte* data = nullptr;
  float* gradient =
      nullptr;  // of the loss with regard to the values, the same shape; only while a tape records (ops/tape.h)

  Tensor() = default;
  Tensor(DType t, std::initializer_list<std::int64_t> dims, std::byte* memory) : type(t), data(memory) {
    for (std::int64_t dim : dims) shape[static_cast<std::size_t>(rank++)] = dim;
  }
  std::int64_t rows() const { return shape[0]; }
  std::int64_t columns() const { return shape[1] * shape[2] * shape[3]; }  // values in a row
  std::int64_t size() const { return rows() * columns(); }
  float* f32() const {
    assert(type == DType::f32);
    return reinterpret_cast<float*>(data);
  }
  float* row(std::int64_t r) const { return f32() + r * columns(); }
};

}  // namespace limpid

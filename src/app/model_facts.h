// What a model's files amount to: parameters, types, bytes. Counted from the list of tensors, nothing is read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/load.h"

namespace limpid {

struct TypeFacts {
  DType type = DType::f32;
  std::int64_t tensors = 0, values = 0;
  std::uint64_t bytes = 0;
};

struct ModelFacts {
  std::int64_t parameters = 0;         // all that the forward uses; a table that two uses share counts once
  std::int64_t active_parameters = 0;  // of a token: of the experts, those that it is routed to
  std::int64_t mtp_parameters = 0;     // multi-token prediction layers in the file, besides
  std::uint64_t bytes = 0;             // of all tensors in the file
  std::vector<TypeFacts> types;        // most bytes first
  // Weights that decoding one token reads: without the embedding's table, unless it is the head too.
  std::uint64_t bytes_per_token(Precision precision) const {
    return precision == Precision::exact ? exact_bytes_ : file_bytes_;
  }

  std::uint64_t file_bytes_ = 0, exact_bytes_ = 0;
};

ModelFacts count_model(const ModelFiles& files);

// The type of most of the matrices' bytes.
DType main_type(const ModelFacts& facts);

}  // namespace limpid

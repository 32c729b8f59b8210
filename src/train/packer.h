// Packing: documents into the batches of a step. Inside a document's sequence row i holds id i and predicts id i + 1.
//   masked      each document is a sequence of its own, as many as fit, no padding; one that is longer than `length` is
//               cut into sequences that overlap by the id at the cut
//   unmasked    rows of `length` ids across documents (DeepSeek-V3 pre-trains so); what is left begins the next batch
// What is left over is part of the state: a run that goes on from it makes the same batches. One thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "ops/batch.h"
#include "train/example_source.h"

namespace limpid {

// The rows of one forward. Pages are numbered from 0; a sequence's are its own.
class PackedBatch {
 public:
  std::vector<std::int32_t> ids, positions, targets;  // (T)
  std::vector<float> weights;                         // (T): of each prediction in the loss; 0: none
  struct Place {
    std::int32_t first_row, rows;
  };
  std::vector<Place> places;  // of the sequences
  // Of policy gradients (ops/loss.h), (T) each, or empty: not used.
  std::vector<float> advantages, old_logprobs, reference_logprobs;

  void add(const std::int32_t* ids, const float* weights, std::int32_t rows);  // both have rows + 1
  std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
  std::int64_t predicted() const;  // rows of weight other than 0
  double weight() const;           // sum
  std::int32_t pages() const;
};

struct PackerOptions {
  std::int64_t length = 128;
  bool mask_documents = true;
};

class Packer {
 public:
  // The source must outlive it.
  Packer(ExampleSource& source, const PackerOptions& options) : source_(source), options_(options) {}

  // Batches of together at most `tokens` rows (at least one sequence), each of at most `most` >= length rows. Throws
  // as the source does.
  std::vector<PackedBatch> take(std::int64_t tokens, std::int64_t most);

  // What is left over, and where the source is.
  nlohmann::json state() const;
  // Throws Error(input) where it is no such state.
  void restore(const nlohmann::json& state);

 private:
  std::size_t left() const { return ids_.size() - begin_; }
  void refill(std::size_t wanted);
  std::int64_t next_rows();

  ExampleSource& source_;
  PackerOptions options_;
  std::vector<std::int32_t> ids_;  // left over: masked: of one document; unmasked: of the stream
  std::vector<float> weights_;
  std::size_t begin_ = 0;  // of what is left in both
};

}  // namespace limpid

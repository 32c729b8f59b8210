#include "train/packer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "tensor/layout.h"

namespace limpid {

namespace {

constexpr int kMostEmptyDocuments = 1000;  // documents without a prediction in a row

}  // namespace

void PackedBatch::add(const std::int32_t* from, const float* weight, std::int32_t rows) {
  places.push_back({static_cast<std::int32_t>(ids.size()), rows});
  for (std::int32_t i = 0; i < rows; ++i) {
    ids.push_back(from[i]);
    positions.push_back(i);
    targets.push_back(from[i + 1]);
    weights.push_back(weight[i + 1]);
  }
}

std::int64_t PackedBatch::predicted() const {
  return std::ranges::count_if(weights, [](float w) { return w != 0; });
}

double PackedBatch::weight() const { return std::accumulate(weights.begin(), weights.end(), 0.0); }

std::int32_t PackedBatch::pages() const {
  std::int32_t pages = 0;
  for (const Place& place : places) pages += (place.rows + kPageTokens - 1) / kPageTokens;
  return pages;
}

// Masked: one document with a prediction. Unmasked: at least `wanted` ids.
void Packer::refill(std::size_t wanted) {
  if (left() >= wanted) return;
  const auto used = static_cast<std::ptrdiff_t>(begin_);
  ids_.erase(ids_.begin(), ids_.begin() + used);
  weights_.erase(weights_.begin(), weights_.begin() + used);
  begin_ = 0;
  for (int attempt = 0; ids_.size() < wanted;) {
    const TrainingExample example = source_.next();
    const bool predicts = std::ranges::any_of(example.weights, [](float w) { return w != 0; });
    if (predicts || !options_.mask_documents) {
      ids_.insert(ids_.end(), example.ids.begin(), example.ids.end());
      weights_.insert(weights_.end(), example.weights.begin(), example.weights.end());
    }
    attempt = predicts ? 0 : attempt + 1;
    if (attempt == kMostEmptyDocuments)
      fail(ErrorKind::input, "training: {} documents in a row have nothing to predict", attempt);
  }
}

// Of the sequence that comes next.
std::int64_t Packer::next_rows() {
  const auto length = static_cast<std::size_t>(options_.length);
  if (!options_.mask_documents) {
    refill(length + 1);
    return options_.length;
  }
  refill(2);
  return static_cast<std::int64_t>(std::min(left() - 1, length));
}

std::vector<PackedBatch> Packer::take(std::int64_t tokens, std::int64_t most) {
  std::vector<PackedBatch> batches(1);
  for (std::int64_t taken = 0;;) {
    const std::int64_t rows = next_rows();
    if (taken > 0 && taken + rows > tokens) return batches;
    if (batches.back().tokens() + rows > most) batches.emplace_back();
    batches.back().add(ids_.data() + begin_, weights_.data() + begin_, static_cast<std::int32_t>(rows));
    taken += rows;
    // The last id is the first of the next sequence, unless the document ends with it.
    const bool ends = options_.mask_documents && static_cast<std::size_t>(rows) + 1 == left();
    begin_ += static_cast<std::size_t>(ends ? rows + 1 : rows);
  }
}

nlohmann::json Packer::state() const {
  const auto from = static_cast<std::ptrdiff_t>(begin_);
  return {{"source", source_.position()},
          {"ids", std::vector<std::int32_t>(ids_.begin() + from, ids_.end())},
          {"weights", std::vector<float>(weights_.begin() + from, weights_.end())}};
}

void Packer::restore(const nlohmann::json& state) {
  try {
    ids_ = state.at("ids").get<std::vector<std::int32_t>>();
    weights_ = state.at("weights").get<std::vector<float>>();
    begin_ = 0;
    if (ids_.size() != weights_.size())
      fail(ErrorKind::input, "data left over: {} ids and {} weights", ids_.size(), weights_.size());
    source_.seek(state.at("source"));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::input, "position in the data: {}", error.what());
  }
}

}  // namespace limpid

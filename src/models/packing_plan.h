// PackingPlan: the list of what load_model() must pack, made by visiting a model's parameters, before any memory is taken for them.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/thread_team.h"
#include "formats/weight_source.h"
#include "models/load.h"
#include "nn/parameters.h"

namespace limpid {

class PackingPlan final : public ParameterVisitor {
 public:
  PackingPlan(const WeightSource& source, Precision precision) : source_(source), precision_(precision) {}

  void matrix(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& weight) override;
  void matrix_f32(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& weight) override;
  void vector(const ParameterName& name, std::int64_t n, const float*& values) override;
  void experts(const ParameterName& name, std::int64_t rows, std::int64_t columns, std::span<PackedWeight* const> weights) override;
  void key_value_maps(const ParameterName& joint, const std::string& gguf_k, const std::string& gguf_v, std::int64_t nope, std::int64_t value,
                      std::int64_t latent, std::span<PackedWeight> k, std::span<PackedWeight> v) override;

  // From now on parameters are found and their shapes checked, but not loaded: their weights stay without data.
  void only_check() { only_check_ = true; }
  // Tensors that hold no parameter of the forward, by prefix: tables that can be computed.
  void ignore(const std::string& prefix) { ignored_.push_back(prefix); }
  void refuse_leftovers() const;  // Error(input) naming the first tensor that no parameter asked for

  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t fingerprint() const;  // of names, types, shapes and samples of the bytes
  // Packs everything into `memory` (bytes() long) with `threads` threads.
  void pack(std::byte* memory, int threads, const std::function<void(std::uint64_t, std::uint64_t)>& progress);
  std::vector<std::unique_ptr<float[]>> take_vectors() { return std::move(vectors_); }

 private:
  // A matrix in the file (or in `own`, when it had to be rearranged) and where it goes.
  struct Job {
    DType from = DType::f32;             // type of `data`
    std::span<const std::byte> data;
    std::span<const float> scales;
    std::int64_t rows = 0, columns = 0;
    PackedWeight* weight = nullptr;
    const Weight* file = nullptr;        // to drop after reading; null while others still read it
    std::uint64_t offset = 0;            // in memory
  };

  const Weight& find(const ParameterName& name);
  const std::string& name_of(const ParameterName& name) const;
  void check_shape(const Weight& weight, std::int64_t rows, std::int64_t columns) const;
  void add(const Weight& weight, std::span<const std::byte> data, std::span<const float> scales, std::int64_t rows, std::int64_t columns, bool f32,
           PackedWeight& packed);
  void add_stacked(const Weight& weight, std::int64_t rows, std::int64_t columns, std::span<PackedWeight* const> packed);
  void pack_job(const Job& job, std::byte* memory, int thread, int threads) const;

  const WeightSource& source_;
  const Precision precision_;
  std::vector<Job> jobs_;
  std::vector<std::unique_ptr<float[]>> vectors_;
  std::deque<std::vector<std::byte>> owned_;  // rearranged matrices
  std::unordered_set<std::string_view> used_;
  std::vector<std::string> ignored_;
  std::uint64_t bytes_ = 0;
  bool only_check_ = false;
};

// All rows of a weight in f32, block scales applied: (rows, columns).
std::vector<float> decode_all(const Weight& weight);

}  // namespace limpid

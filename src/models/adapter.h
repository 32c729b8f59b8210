// Adapters that were trained (models/lora.h, or by PEFT) and a model with one merged in: W + alpha / r B A takes the place
// of each matrix that the adapter names, so that nothing that reads weights knows of adapters.
//
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "formats/weight_source.h"
#include "models/config.h"

namespace limpid {

// adapter_config.json and adapter_model.safetensors of a directory, as PEFT writes them.
class AdapterFile {
 public:
  struct Matrices {
    std::string name;  // of the tensor that it changes, Hugging Face's: "model.layers.0.self_attn.q_proj.weight"
    std::int64_t rows = 0, columns = 0, rank = 0;
    std::vector<float> a, b;  // (rank, columns), (rows, rank)
  };
  // Throws Error(not_found | input | unsupported) naming file and field: kinds of adapters other than plain LoRA (DoRA,
  // biases, whole modules beside it) are refused.
  static AdapterFile open(const std::string& directory);

  const std::string& path() const { return path_; }
  const std::vector<Matrices>& matrices() const { return matrices_; }
  double scale() const { return scale_; }
  // scale B A, (rows, columns), summed in double.
  std::vector<float> change(const Matrices& of) const;

 private:
  std::string path_;
  std::vector<Matrices> matrices_;
  double scale_ = 1;
};

// The tensors of a model with an adapter merged in. Those that it changes are in memory, in f32 where they were, else in
// bf16; the others are the base's own.
class MergedWeights final : public WeightSource {
 public:
  // config: the base's. Throws Error(input) where the adapter names a matrix that the base does not have, or of another
  // shape, naming both files.
  MergedWeights(std::shared_ptr<const WeightSource> base, const ModelConfig& config, const AdapterFile& adapter);
  void drop_bytes(const Weight& weight, std::size_t begin, std::size_t size) const override;

 private:
  void merge(const Weight& weight, const ModelConfig& config, const AdapterFile& adapter,
             const AdapterFile::Matrices& matrices);

  std::shared_ptr<const WeightSource> base_;
  std::deque<std::vector<std::byte>> own_;
};

}  // namespace limpid

// The tensors of a directory of safetensors: model.safetensors, or the shards that model.safetensors.index.json lists.
// For the FP8 checkpoints of DeepSeek-V3 and R1 a matrix X (f8_e4m3) carries its 128 x 128 block factors, read from the
// tensor X_scale_inv, which is not listed by itself.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "formats/weight_source.h"

namespace limpid {

class SafetensorsWeights final : public WeightSource {
 public:
  // Throws Error(not_found | input | unsupported | system). Refused: an index that disagrees with its shards, a name in
  // two shards, an f8_e4m3 tensor without factors, factors of another type or shape, quantization other than FP8 in
  // blocks of 128 x 128. Tensors of a type that limpid does not read (safetensors.h) are not listed.
  explicit SafetensorsWeights(const Checkpoint& checkpoint);

  void drop_bytes(const Weight& weight, std::size_t begin, std::size_t size) const override;

 private:
  void open_shards(const std::string& index_path);
  void list_weights();
  const SafetensorsTensor* tensor(std::string_view name) const;
  std::span<const float> scales_of(const SafetensorsTensor& tensor) const;

  std::vector<SafetensorsFile> shards_;
  std::unordered_map<std::string_view, const SafetensorsTensor*> tensors_;  // of all shards
};

}  // namespace limpid

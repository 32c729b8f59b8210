// Opening and loading models: a GGUF file (its first part) or a directory of safetensors becomes a Model, ready to run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "formats/weight_source.h"
#include "models/config.h"
#include "models/model.h"

namespace limpid {

enum class Precision {
  fast,   // weights as the file has them
  exact,  // weights decoded to f32, so that every product and activation is f32
};

// What a file or directory is, before its weights are read. Immutable.
class ModelFiles {
 public:
  // A directory of safetensors whose files are in memory, which must outlive the result and what is loaded from it. Throws as
  // open() does.
  static ModelFiles from_memory(const std::string& name, const MemoryFiles& files);
  // Throws Error(not_found | input | unsupported) naming the file and field. The sizes of the configuration are those of tensors in the files
  // (models/tensor_check.h).
  static ModelFiles open(const std::string& path);
  static ModelFiles from_gguf(std::shared_ptr<const GgufFile> file);
  // The same model with the adapter of this directory merged in (models/adapter.h), and with the adapter's chat template
  // where it has one (chat_template.jinja). Throws what AdapterFile::open throws
  // and Error(input) for the adapter of another model.
  ModelFiles with_adapter(const std::string& directory) const;

  const std::string& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  const WeightSource& weights() const { return *weights_; }
  const GgufFile* gguf() const { return gguf_.get(); }                // null for a directory
  const Checkpoint* checkpoint() const { return checkpoint_.get(); }  // null for a GGUF file
  std::string chat_template() const;                                  // "" when there is none
  std::vector<std::int32_t> end_ids() const;  // of generation_config.json, or the GGUF's eos and eot ids
  bool has_tokenizer() const;
  std::string tokenizer_path() const;  // what text/tokenizer.h's Tokenizer::open takes

 private:
  void take(std::shared_ptr<const Checkpoint> checkpoint);
  void check_config();

  std::string path_;
  std::shared_ptr<const GgufFile> gguf_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<const WeightSource> weights_;
  std::optional<std::string> template_;  // in place of the file's own
  ModelConfig config_;
};

// The configuration that a model is trained with (models/parameter_store.h): Hugging Face's, in which Llama's heads rotate
// by halves, also of a GGUF file, whose queries and keys are kept for pairs. Throws Error(unsupported) for what the store
// cannot bring into that form.
ModelConfig training_config(const ModelFiles& files);

class Decoder;

struct LoadOptions {
  // Layers of multi-token prediction too (2 % of DeepSeek-V3). Without it they are checked as all tensors are and take no memory; Decoder::mtp_forward
  // needs them.
  bool mtp = false;
};

// Bytes of memory that load_model() will take for the packed weights.
std::uint64_t packed_model_bytes(const ModelFiles& files, Precision precision, const LoadOptions& options = {});

// Packs the weights with `threads` threads. progress(done, total) in bytes, from the calling thread; may be empty.
// Every tensor that the configuration asks for must be there with the right shape, and none may be left over (Error naming it).
using LoadProgress = std::function<void(std::uint64_t, std::uint64_t)>;
std::unique_ptr<Model> load_model(const ModelFiles& files, Precision precision, int threads,
                                  const LoadProgress& progress = {}, const LoadOptions& options = {});
// The same, for who wants more of it than the engine does (models/decoder.h).
std::unique_ptr<Decoder> load_decoder(const ModelFiles& files, Precision precision, int threads,
                                      const LoadProgress& progress = {}, const LoadOptions& options = {});

}  // namespace limpid

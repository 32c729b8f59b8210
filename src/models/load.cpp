#include "models/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/content_hash.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/safetensors_weights.h"
#include "models/adapter.h"
#include "models/decoder.h"
#include "models/packing_plan.h"
#include "models/tensor_check.h"

namespace limpid {

namespace {

void add_end_id(const GgufFile& file, const char* key, std::vector<std::int32_t>& ids) {
  if (const auto id = file.find<std::int32_t>(key); id && std::ranges::find(ids, *id) == ids.end()) ids.push_back(*id);
}

// The layers of multi-token prediction that the configuration speaks of may have been left out of the file (transformers writes none); then there are
// none. Part of one is an error, which visiting finds.
void look_for_mtp(const WeightSource& weights, ModelConfig& config) {
  const bool gguf = weights.format() == WeightSource::Format::gguf;
  const std::string layer = fmt::format("{}.{}.", gguf ? "blk" : "model.layers", config.layers);
  const auto listed = [&](const Weight& weight) { return weight.name.starts_with(layer); };
  if (config.mtp_layers > 0 && std::ranges::none_of(weights.weights(), listed)) config.mtp_layers = 0;
  if (config.mtp_layers == 0) return;
  config.mtp_own_embedding =
      weights.find(layer + (gguf ? "nextn.embed_tokens.weight" : "embed_tokens.weight")) != nullptr;
  config.mtp_own_head =
      weights.find(layer + (gguf ? "nextn.shared_head_head.weight" : "shared_head.head.weight")) != nullptr;
}

PackingPlan plan_of(Decoder& decoder, const ModelFiles& files, Precision precision, const LoadOptions& options) {
  PackingPlan plan(files.weights(), precision);
  decoder.visit(plan);
  if (!options.mtp) plan.only_check();
  decoder.visit_mtp(plan);
  const ModelConfig& c = files.config();
  if (c.tied_embeddings) plan.ignore("lm_head.weight");  // some files repeat the embedding
  plan.ignore("rope_freqs.weight");                      // read into the configuration
  for (int layer = 0; layer < c.layers + c.mtp_layers; ++layer)
    plan.ignore(fmt::format("model.layers.{}.self_attn.rotary_emb.", layer));
  plan.refuse_leftovers();
  return plan;
}

}  // namespace

void ModelFiles::take(std::shared_ptr<const Checkpoint> checkpoint) {
  weights_ = std::make_shared<SafetensorsWeights>(*checkpoint);
  config_ = config_from_checkpoint(*checkpoint);
  checkpoint_ = std::move(checkpoint);
  check_config();
}

void ModelFiles::check_config() {
  look_for_mtp(*weights_, config_);
  check_tensors(config_, *weights_);
}

ModelFiles ModelFiles::from_memory(const std::string& name, const MemoryFiles& memory) {
  ModelFiles files;
  files.path_ = name;
  files.take(std::make_shared<const Checkpoint>(name, memory));
  return files;
}

ModelFiles ModelFiles::from_gguf(std::shared_ptr<const GgufFile> file) {
  ModelFiles files;
  files.path_ = file->path();
  files.config_ = config_from_gguf(*file);
  files.weights_ = std::make_shared<GgufWeights>(file);
  files.gguf_ = std::move(file);
  files.check_config();
  return files;
}

ModelFiles ModelFiles::open(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return from_gguf(std::make_shared<const GgufFile>(path));
  ModelFiles files;
  files.path_ = path;
  files.take(std::make_shared<const Checkpoint>(path));
  return files;
}

ModelFiles ModelFiles::with_adapter(const std::string& directory) const {
  ModelFiles files = *this;
  files.weights_ = std::make_shared<MergedWeights>(weights_, config_, AdapterFile::open(directory));
  if (const std::string path = directory + "/chat_template.jinja"; std::filesystem::exists(path)) {
    const MappedFile file(path);
    files.template_ = std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  }
  return files;
}

std::string ModelFiles::chat_template() const {
  if (template_) return *template_;
  if (checkpoint_) return checkpoint_->chat_template().value_or("");
  return gguf_->get_or<std::string>("tokenizer.chat_template", "");
}

std::vector<std::int32_t> ModelFiles::end_ids() const {
  if (checkpoint_) return checkpoint_->eos_token_ids();
  std::vector<std::int32_t> ids;
  add_end_id(*gguf_, "tokenizer.ggml.eos_token_id", ids);
  add_end_id(*gguf_, "tokenizer.ggml.eot_token_id", ids);
  add_end_id(*gguf_, "tokenizer.ggml.eom_token_id", ids);
  return ids;
}

bool ModelFiles::has_tokenizer() const {
  return checkpoint_ ? checkpoint_->tokenizer_json().has_value() : gguf_->has("tokenizer.ggml.tokens");
}

std::string ModelFiles::tokenizer_path() const {
  if (!has_tokenizer()) fail(ErrorKind::not_found, "{}: it has no tokenizer, which this command needs", path_);
  return checkpoint_ ? *checkpoint_->tokenizer_json() : path_;
}

ModelConfig training_config(const ModelFiles& files) {
  ModelConfig config = files.config();
  if (files.gguf() == nullptr || config.architecture != "llama") return config;
  if (config.rope.dim != config.head_dim)
    fail(ErrorKind::unsupported, "{}: heads of {} of which {} rotate: expected all of them, for training", files.path(),
         config.head_dim, config.rope.dim);
  config.rope.interleaved = false;
  return config;
}

std::uint64_t packed_model_bytes(const ModelFiles& files, Precision precision, const LoadOptions& options) {
  Decoder decoder(files.config());
  return plan_of(decoder, files, precision, options).bytes();
}

std::unique_ptr<Decoder> load_decoder(const ModelFiles& files, Precision precision, int threads,
                                      const LoadProgress& progress, const LoadOptions& options) {
  auto decoder = std::make_unique<Decoder>(files.config());
  PackingPlan plan = plan_of(*decoder, files, precision, options);
  HugeBuffer memory(plan.bytes());
  plan.pack(memory.data(), threads, progress);
  const std::array<std::uint64_t, 2> parts = {hash_of(files.config()), plan.fingerprint()};
  decoder->own(std::move(memory), plan.take_vectors(), content_hash(std::as_bytes(std::span(parts))));
  return decoder;
}

std::unique_ptr<Model> load_model(const ModelFiles& files, Precision precision, int threads,
                                  const LoadProgress& progress, const LoadOptions& options) {
  return load_decoder(files, precision, threads, progress, options);
}

}  // namespace limpid

#include "train/run_config.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "train/fields.h"

namespace limpid {

namespace {

// What models/config_json.cpp and formats/checkpoint.cpp read, and what else transformers writes into such a file.
constexpr std::array kModelFields = std::to_array<std::string_view>({"_name_or_path",
                                                                     "architectures",
                                                                     "attention_bias",
                                                                     "attention_dropout",
                                                                     "aux_loss_alpha",
                                                                     "bos_token_id",
                                                                     "dtype",
                                                                     "eos_token_id",
                                                                     "first_k_dense_replace",
                                                                     "head_dim",
                                                                     "hidden_act",
                                                                     "hidden_size",
                                                                     "initializer_range",
                                                                     "intermediate_size",
                                                                     "kv_lora_rank",
                                                                     "max_position_embeddings",
                                                                     "max_window_layers",
                                                                     "mlp_bias",
                                                                     "model_type",
                                                                     "moe_intermediate_size",
                                                                     "moe_layer_freq",
                                                                     "n_group",
                                                                     "n_routed_experts",
                                                                     "n_shared_experts",
                                                                     "norm_topk_prob",
                                                                     "num_attention_heads",
                                                                     "num_experts_per_tok",
                                                                     "num_hidden_layers",
                                                                     "num_key_value_heads",
                                                                     "num_nextn_predict_layers",
                                                                     "pad_token_id",
                                                                     "pretraining_tp",
                                                                     "q_lora_rank",
                                                                     "qk_head_dim",
                                                                     "qk_nope_head_dim",
                                                                     "qk_rope_head_dim",
                                                                     "rms_norm_eps",
                                                                     "rope_interleave",
                                                                     "rope_parameters",
                                                                     "rope_scaling",
                                                                     "rope_theta",
                                                                     "routed_scaling_factor",
                                                                     "scoring_func",
                                                                     "seq_aux",
                                                                     "sliding_window",
                                                                     "tie_word_embeddings",
                                                                     "topk_group",
                                                                     "topk_method",
                                                                     "torch_dtype",
                                                                     "transformers_version",
                                                                     "use_cache",
                                                                     "use_sliding_window",
                                                                     "v_head_dim",
                                                                     "vocab_size"});

constexpr std::int64_t kMostOfARun = std::int64_t{1} << 50;

void read_tokenizer(Fields& fields, RunConfig& c) {
  const nlohmann::json* value = fields.any("tokenizer");
  if (value == nullptr) return;
  if (value->is_string()) {
    const std::filesystem::path given = value->get<std::string>();
    if (given.empty())
      fail(ErrorKind::input, "{}: expected a directory, found an empty text", fields.where("tokenizer"));
    c.tokenizer = given.is_absolute() ? given.string() : (std::filesystem::path(c.path).parent_path() / given).string();
    return;
  }
  Fields learned(*value, fields.where("tokenizer"));
  c.tokenizer_vocabulary = learned.integer("vocabulary", c.tokenizer_vocabulary, 300, 1 << 17);
  c.tokenizer_samples = learned.integer("samples", c.tokenizer_samples, 1, std::int64_t{1} << 32);
  learned.done();
}

void read_lengths(Fields& fields, RunConfig& c) {
  c.steps = fields.integer("steps", 0, 1, kMostOfARun);
  c.tokens = fields.integer("tokens", 0, 1, kMostOfARun);
  if ((c.steps > 0) == (c.tokens > 0))
    fail(ErrorKind::input, "{}: expected either \"steps\" or \"tokens\", found {}", c.path,
         c.steps > 0 ? "both" : "neither");
  c.length = fields.integer("length", c.length, 2, 1 << 20);
  c.batch_tokens = fields.integer("batch_tokens", c.batch_tokens, 2, 1 << 30);
  c.forward_tokens = fields.integer("forward_tokens", c.batch_tokens, 2, 1 << 24);
  if (c.forward_tokens < c.length)
    fail(ErrorKind::input, "{}: forward_tokens is {}, a sequence has up to {} (length)", c.path, c.forward_tokens,
         c.length);
}

void read_model(Fields& fields, RunConfig& c) {
  const nlohmann::json* model = fields.any("model");
  if (model == nullptr) fail(ErrorKind::input, "{}: there is no \"model\"", c.path);
  check_model_fields(*model, fields.where("model"));
  c.model = std::shared_ptr<const nlohmann::json>(c.json, model);
  read_tokenizer(fields, c);
}

void read_fine_tuning(Fields& fields, RunConfig& c) {
  for (const char* field : {"model", "tokenizer"})
    if (fields.has(field))
      fail(ErrorKind::input, "{}: fine-tuning takes it from the weights that it is given", fields.where(field));
  c.prompt_weight = 0;
  if (const std::string given = fields.text("chat_template", ""); !given.empty())
    c.chat_template = (std::filesystem::path(c.path).parent_path() / given).string();  // an absolute path stays
  const nlohmann::json* lora = fields.any("lora");
  if (lora == nullptr) return;
  Fields of(*lora, fields.where("lora"));
  LoraSettings settings;
  settings.rank = static_cast<int>(of.integer("rank", settings.rank, 1, 4096));
  settings.alpha = of.number("alpha", 2 * settings.rank, 1e-6, 1e6);
  settings.targets = of.texts("targets", settings.targets);
  settings.type = of.choice("type", {"f32", "bf16"}, 0) == 0 ? DType::f32 : DType::bf16;
  of.done();
  c.lora = settings;
}

}  // namespace

void check_model_fields(const nlohmann::json& model, const std::string& name) {
  if (!model.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", name, model.dump());
  for (const auto& [field, value] : model.items())
    if (std::ranges::find(kModelFields, field) == kModelFields.end())
      fail(ErrorKind::input,
           "{}.{}: unknown field; a transformers config.json of llama, qwen2 or deepseek_v3 is expected", name, field);
}

RunConfig RunConfig::read(const std::string& path, RunKind kind) { return parse(read_json(path), path, kind); }

RunConfig RunConfig::parse(const nlohmann::json& json, const std::string& path, RunKind kind) {
  RunConfig c;
  c.kind = kind;
  c.path = path;
  c.json = std::make_shared<const nlohmann::json>(json);
  Fields fields(*c.json, path);
  if (kind == RunKind::from_nothing)
    read_model(fields, c);
  else
    read_fine_tuning(fields, c);
  read_lengths(fields, c);
  c.seed = static_cast<std::uint64_t>(fields.integer("seed", 1, 0, INT64_MAX));
  c.precision = fields.choice("precision", {"f32", "bf16"}, 0) == 0 ? DType::f32 : DType::bf16;
  c.initial_deviation = fields.number("initial_deviation", c.initial_deviation, 0, 10);
  c.mask_documents = fields.boolean("mask_documents", c.mask_documents);
  c.prompt_weight = fields.number("prompt_weight", c.prompt_weight, 0, 1);
  c.fim = fields.number("fim", c.fim, 0, 1);
  c.balance_loss = fields.number("balance_loss", c.balance_loss, 0, 10);
  c.divergence = fields.number("divergence", c.divergence, 0, 1e6);
  c.checkpoint_steps = fields.integer("checkpoint_steps", c.checkpoint_steps, 1, kMostOfARun);
  if (const nlohmann::json* value = fields.any("schedule"))
    c.schedule = Schedule::parse(*value, fields.where("schedule"));
  if (const nlohmann::json* value = fields.any("optimiser"))
    c.optimiser = OptimiserSettings::parse(*value, fields.where("optimiser"));
  fields.done();
  return c;
}

double RunConfig::done(std::int64_t steps_made, std::int64_t tokens_seen) const {
  const double part = steps > 0 ? static_cast<double>(steps_made) / static_cast<double>(steps)
                                : static_cast<double>(tokens_seen) / static_cast<double>(tokens);
  return std::min(part, 1.0);
}

}  // namespace limpid

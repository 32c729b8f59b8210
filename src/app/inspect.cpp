// limpid inspect: what a model's files hold, without loading them.
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/format.h"
#include "app/hub_setup.h"
#include "app/model_facts.h"
#include "app/output.h"
#include "app/printable.h"
#include "models/decoder.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

struct InspectArguments {
  std::string model;
  bool tensors = false, json = false;
};

constexpr CacheType kCaches[] = {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::q8};

double cache_bytes(const ModelFiles& files, CacheType type) {
  const Decoder shape(files.config());
  return bytes_per_token(shape.cache_layout(type)) * shape.info().layers;
}

std::string count(std::int64_t n) {  // 134.5 M
  const auto value = static_cast<double>(n);
  if (value >= 1e9) return fmt::format("{:.2f} B", value / 1e9);
  return value >= 1e6 ? fmt::format("{:.1f} M", value / 1e6) : fmt::format("{}", n);
}

std::string shape_text(const Weight& weight) {
  std::string out;
  for (int i = 0; i < weight.rank; ++i)
    out += (i == 0 ? "" : " x ") + std::to_string(weight.shape[static_cast<std::size_t>(i)]);
  return out;
}

Json tensor_list(const ModelFiles& files) {
  Json out = Json::array();
  for (const Weight& weight : files.weights().weights()) {
    Json shape = Json::array();
    for (int i = 0; i < weight.rank; ++i) shape.push_back(weight.shape[static_cast<std::size_t>(i)]);
    out.push_back({{"name", weight.name},
                   {"type", info(weight.type).name},
                   {"shape", std::move(shape)},
                   {"bytes", weight.data.size()},
                   {"file", files.weights().files()[static_cast<std::size_t>(weight.file)]},
                   {"offset", weight.offset}});
  }
  return out;
}

Json attention_json(const ModelConfig& c) {
  if (c.kv_rank > 0)
    return {{"kind", "latent"},       {"heads", c.heads},       {"q_rank", c.q_rank},      {"kv_rank", c.kv_rank},
            {"nope_dim", c.nope_dim}, {"rope_dim", c.rope_dim}, {"value_dim", c.value_dim}};
  return {{"kind", "grouped-query"}, {"heads", c.heads}, {"kv_heads", c.kv_heads}, {"head_dim", c.head_dim}};
}

Json to_json(const ModelFiles& files, const ModelFacts& facts, bool tensors) {
  const ModelConfig& c = files.config();
  Json out;
  out["path"] = files.path();
  out["format"] = files.gguf() != nullptr ? "gguf" : "safetensors";
  out["architecture"] = c.architecture;
  out["name"] = c.name;
  out["parameters"] = facts.parameters;
  out["active_parameters"] = facts.active_parameters;
  out["mtp_parameters"] = facts.mtp_parameters;
  out["bytes"] = facts.bytes;
  out["bytes_per_token"] = facts.bytes_per_token(Precision::fast);
  out["layers"] = c.layers;
  out["width"] = c.width;
  out["vocabulary"] = c.vocabulary;
  out["context"] = c.context;
  out["feed_forward"] = c.feed_forward;
  out["tied_embeddings"] = c.tied_embeddings;
  out["attention"] = attention_json(c);
  out["rope"] = {{"base", c.rope.base}, {"dim", c.rope.dim}, {"scaling", c.rope.scaling}, {"factor", c.rope.factor}};
  if (c.experts > 0)
    out["experts"] = {{"count", c.experts},
                      {"chosen", c.experts_chosen},
                      {"shared", c.shared_experts},
                      {"width", c.expert_width},
                      {"dense_layers", c.dense_layers}};
  out["types"] = Json::array();
  for (const TypeFacts& type : facts.types)
    out["types"].push_back({{"type", info(type.type).name},
                            {"tensors", type.tensors},
                            {"parameters", type.values},
                            {"bytes", type.bytes}});
  for (const CacheType type : kCaches)
    out["cache_bytes_per_token"][cache_type_name(type)] = std::llround(cache_bytes(files, type));
  out["memory_bytes"] = packed_model_bytes(files, Precision::fast);
  out["tokenizer"] = files.has_tokenizer();
  out["chat_template"] = !files.chat_template().empty();
  out["files"] = files.weights().files();
  if (tensors) out["tensors"] = tensor_list(files);
  return out;
}

void print_facts(const ModelFiles& files, const ModelFacts& facts) {
  const ModelConfig& c = files.config();
  print("Model        {} ({}, {})\n", c.name.empty() ? "without a name" : visible(c.name), visible(c.architecture),
        files.gguf() != nullptr ? "GGUF" : "safetensors");
  print("Parameters   {}", count(facts.parameters));
  if (facts.active_parameters != facts.parameters) print(", {} active for a token", count(facts.active_parameters));
  if (facts.mtp_parameters > 0) print("; {} more in multi-token prediction layers", count(facts.mtp_parameters));
  print("\nShape        {} layers, width {}, vocabulary {}, context {}\n", c.layers, c.width, c.vocabulary, c.context);
  if (c.kv_rank > 0)
    print("Attention    latent, {} heads, rank {} + {}{}\n", c.heads, c.kv_rank, c.rope_dim,
          c.q_rank > 0 ? fmt::format(", queries of rank {}", c.q_rank) : "");
  else
    print("Attention    {} heads over {} of keys and values, size {}\n", c.heads, c.kv_heads, c.head_dim);
  if (c.experts > 0)
    print("Experts      {} of {} and {} shared, width {}; the first {} layers are dense\n", c.experts_chosen, c.experts,
          c.shared_experts, c.expert_width, c.dense_layers);
  print("Rotation     base {:g}{}\n", c.rope.base,
        c.rope.scaling.empty() ? "" : fmt::format(", {} scaling by {:g}", visible(c.rope.scaling), c.rope.factor));
  print("Cache        {} a token in f16, {} in q8\n",
        human_bytes(static_cast<std::uint64_t>(cache_bytes(files, CacheType::f16))),
        human_bytes(static_cast<std::uint64_t>(cache_bytes(files, CacheType::q8))));
  print("Size         {} in {} file{}; {} in memory, {} read for a token\n", human_bytes(facts.bytes),
        files.weights().files().size(), files.weights().files().size() == 1 ? "" : "s",
        human_bytes(packed_model_bytes(files, Precision::fast)), human_bytes(facts.bytes_per_token(Precision::fast)));
  for (const TypeFacts& type : facts.types)
    print("  {:<9}  {:>5} tensors  {:>10} parameters  {:>8}\n", info(type.type).name, type.tensors, count(type.values),
          human_bytes(type.bytes));
  print("Text         {}, {}\n", files.has_tokenizer() ? "a tokenizer" : "no tokenizer",
        files.chat_template().empty() ? "no chat template" : "a chat template");
}

int inspect(const InspectArguments& arguments) {
  const ModelFiles files = open_model(arguments.model);
  const ModelFacts facts = count_model(files);
  if (arguments.json) {
    print("{}\n",
          visible_json(to_json(files, facts, arguments.tensors).dump(1, ' ', false, Json::error_handler_t::replace)));
    return 0;
  }
  print_facts(files, facts);
  if (!arguments.tensors) return 0;
  write_out("Tensors\n");
  for (const Weight& weight : files.weights().weights())
    print("  {:<48} {:<8} {:<22} {:>9}\n", visible(weight.name), info(weight.type).name, shape_text(weight),
          human_bytes(weight.data.size()));
  return 0;
}

}  // namespace

void add_inspect(Program& program) {
  auto arguments = std::make_shared<InspectArguments>();
  Command command = program.add("inspect", "What a model's files hold: parameters, types, sizes, cache");
  command.positional("MODEL", arguments->model, "a .gguf, a directory of safetensors, or a name in the store");
  command.flag("--tensors", arguments->tensors, "every tensor with its type, shape and size");
  command.flag("--json", arguments->json, "as JSON; sizes in bytes");
  command.examples("limpid inspect smollm2-135m\nlimpid inspect model.gguf --tensors --json | jq '.tensors[0]'");
  command.run([arguments](const Context&) { return inspect(*arguments); });
}

}  // namespace limpid

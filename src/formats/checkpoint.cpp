#include "formats/checkpoint.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/json.h"

namespace limpid {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxTemplate = std::size_t{1} << 20;

// transformers 5 keeps everything about RoPE in one object; moves it to where published files have it.
void unfold_rope_parameters(json& config, const std::string& path) {
  const json rope = config["rope_parameters"];
  config.erase("rope_parameters");
  if (rope.is_null()) return;
  if (!rope.is_object())
    fail(ErrorKind::input, "{}: key 'rope_parameters': expected an object, found {}", path, rope.type_name());
  for (const auto& [key, value] : rope.items())
    if (value.is_object())
      fail(ErrorKind::unsupported,
           "{}: key 'rope_parameters.{}': expected one RoPE for all layers, found one for each kind of layer", path,
           key);
  json scaling = rope;
  for (const char* key : {"rope_theta", "partial_rotary_factor"}) {
    if (!rope.contains(key)) continue;
    if (config.contains(key) && !config[key].is_null() && config[key] != rope[key])
      fail(ErrorKind::input, "{}: key '{}': expected {} as in rope_parameters, found {}", path, key, rope[key].dump(),
           config[key].dump());
    config[key] = rope[key];
    scaling.erase(key);
  }
  config["rope_scaling"] = std::move(scaling);
}

void normalise_rope_scaling(json& config, const std::string& path) {
  const auto found = config.find("rope_scaling");
  if (found == config.end()) return;
  if (found->is_null()) {
    config.erase(found);
    return;
  }
  if (!found->is_object())
    fail(ErrorKind::input, "{}: key 'rope_scaling': expected an object, found {}", path, found->type_name());
  if (found->contains("type")) {
    if (!found->contains("rope_type")) (*found)["rope_type"] = (*found)["type"];
    found->erase("type");
  }
  if (found->contains("rope_type") && (*found)["rope_type"] == "default") config.erase(found);
}

json one_form(json config, const std::string& path) {
  if (!config.is_object()) fail(ErrorKind::input, "{}: expected a JSON object, found {}", path, config.type_name());
  if (config.contains("rope_parameters")) unfold_rope_parameters(config, path);
  normalise_rope_scaling(config, path);
  if (config.contains("torch_dtype")) {
    if (!config.contains("dtype")) config["dtype"] = config["torch_dtype"];
    config.erase("torch_dtype");
  }
  return config;
}

// A number or a list of them.
std::vector<std::int32_t> ids(const ConfigJson& config, const char* key) {
  if (!config.has(key)) return {};
  if (config.object()[key].is_array()) return config.get<std::vector<std::int32_t>>(key);
  return {config.get<std::int32_t>(key)};
}

}  // namespace

Checkpoint::Checkpoint(std::string directory)
    : path_(std::move(directory)),
      config_(one_form(read_json(path_ + "/config.json"), path_ + "/config.json"), path_ + "/config.json"),
      generation_(read_if_there("generation_config.json")) {}

Checkpoint::Checkpoint(std::string name, MemoryFiles files)
    : path_(std::move(name)), memory_(std::move(files)), config_(json::object(), ""), generation_(json::object(), "") {
  const std::optional<CheckpointFile> config = open("config.json");
  if (!config) fail(ErrorKind::not_found, "{}: expected config.json, found none", path_);
  config_ = ConfigJson(one_form(parse_json(config->text(), config->path), config->path), config->path);
  generation_ = read_if_there("generation_config.json");
}

ConfigJson Checkpoint::read_if_there(const char* name) const {
  const std::optional<CheckpointFile> file = open(name);
  if (!file) return {json::object(), path_ + "/" + name};
  return {parse_json(file->text(), file->path), file->path};
}

std::optional<CheckpointFile> Checkpoint::open(const std::string& name) const {
  CheckpointFile out{path_ + "/" + name, {}, {}};
  if (memory_) {
    const auto found = memory_->find(name);
    if (found == memory_->end()) return std::nullopt;
    out.bytes = found->second;
    return out;
  }
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(out.path, ignored)) return std::nullopt;
  out.mapped = MappedFile(out.path);
  out.bytes = out.mapped.bytes();
  return out;
}

std::optional<std::string> Checkpoint::existing(const char* name) const {
  std::string path = path_ + "/" + name;
  std::error_code ignored;
  const bool there = memory_ ? memory_->contains(name) : std::filesystem::is_regular_file(path, ignored);
  return there ? std::optional(std::move(path)) : std::nullopt;
}

std::vector<std::int32_t> Checkpoint::eos_token_ids() const {
  std::vector<std::int32_t> found = ids(generation_, "eos_token_id");
  return found.empty() ? ids(config_, "eos_token_id") : found;
}

std::optional<std::string> Checkpoint::chat_template() const {
  if (const std::optional<CheckpointFile> file = open("chat_template.jinja")) {
    if (file->bytes.size() > kMaxTemplate)
      fail(ErrorKind::input, "{}: size: expected at most {} bytes, found {}", file->path, kMaxTemplate,
           file->bytes.size());
    return std::string(file->text());
  }
  if (!existing("tokenizer_config.json")) return std::nullopt;
  const ConfigJson config = read_if_there("tokenizer_config.json");
  if (!config.has("chat_template")) return std::nullopt;
  const json& value = config.object()["chat_template"];
  if (!value.is_array()) return config.get<std::string>("chat_template");
  for (const json& entry : value) {
    const ConfigJson named(entry, config.name() + ": chat_template");
    if (named.get<std::string>("name") == "default") return named.get<std::string>("template");
  }
  return std::nullopt;
}

}  // namespace limpid

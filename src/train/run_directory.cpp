#include "train/run_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/mapped_file.h"
#include "engine/siphash.h"
#include "formats/checkpoint.h"
#include "train/mix_tokenizer.h"
#include "train/tokenizer_files.h"

namespace limpid {

namespace {

using Json = nlohmann::json;

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void copy_text(const std::string& from, const std::string& to) {
  const MappedFile file(from);
  write_file(to, {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
}

}  // namespace

std::string file_hash(const std::string& path) {
  const Hash128 hash = siphash128({}, MappedFile(path).bytes());
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

Tokenizer prepare_tokenizer(const RunConfig& config, const DataSpec& data, const std::string& directory, bool keep) {
  const std::string json = directory + "/tokenizer.json", settings = directory + "/tokenizer_config.json";
  if (keep && std::filesystem::exists(json) && std::filesystem::exists(settings)) return Tokenizer::open(directory);
  if (!config.tokenizer.empty()) {
    if (!std::filesystem::equivalent(directory, config.tokenizer)) {
      copy_text(config.tokenizer + "/tokenizer.json", json);
      copy_text(config.tokenizer + "/tokenizer_config.json", settings);
    }
  } else {
    if (!data.files.empty())
      fail(ErrorKind::input, "{}: there is no tokenizer: \"tokenizer\": \"DIRECTORY\" is needed with files of data",
           config.path);
    TokenizerPlan plan;
    plan.vocabulary = static_cast<std::size_t>(config.tokenizer_vocabulary);
    write_tokenizer(learn_tokenizer(data.mix, config.seed, static_cast<std::uint64_t>(config.tokenizer_samples), plan),
                    directory);
  }
  return Tokenizer::open(directory);
}

ModelConfig prepare_model_config(const RunConfig& config, const Tokenizer& tokenizer, const std::string& directory) {
  Json model = *config.model;
  const auto vocabulary = static_cast<std::int64_t>(tokenizer.vocabulary_size());
  if (!model.contains("vocab_size")) model["vocab_size"] = vocabulary;
  if (!model.contains("bos_token_id") && tokenizer.bos()) model["bos_token_id"] = *tokenizer.bos();
  if (!model.contains("eos_token_id") && tokenizer.eos()) model["eos_token_id"] = *tokenizer.eos();
  if (!model.contains("dtype") && !model.contains("torch_dtype")) model["dtype"] = "float32";
  if (!model.contains("architectures") && model.contains("model_type")) {
    const Json& type = model["model_type"];
    model["architectures"] = Json::array({type == "llama"   ? "LlamaForCausalLM"
                                          : type == "qwen2" ? "Qwen2ForCausalLM"
                                                            : "DeepseekV3ForCausalLM"});
  }
  write_file(directory + "/config.json", model.dump(2) + "\n");
  const ModelConfig read = config_from_checkpoint(Checkpoint(directory));
  if (read.vocabulary < vocabulary)
    fail(ErrorKind::input, "{}: model.vocab_size is {}, the tokenizer has {} ids", config.path, read.vocabulary,
         vocabulary);
  return read;
}

Json describe_run(const RunConfig& config, const DataSpec& data, const std::string& tokenizer) {
  Json told = *config.json, from = {{"spec", data.text}};
  told.erase("checkpoint_steps");
  for (const std::string& file : data.files)
    from["files"].push_back({{"path", file}, {"bytes", std::filesystem::file_size(file)}});
  for (const MixPart& part : data.mix.parts)
    from["mix"].push_back({{"family", family_name(part.family)},
                           {"weight", part.weight},
                           {"levels", {part.least_level, part.most_level}},
                           {"chinese", part.chinese}});
  if (data.files.empty()) from["thinking"] = data.mix.thinking, from["other_language"] = data.mix.other_language;
  return {{"config", told}, {"data", from}, {"tokenizer", file_hash(tokenizer)}};
}

MetricsFile::MetricsFile(std::string path, std::int64_t steps) : path_(std::move(path)) {
  std::string kept;
  std::ifstream before(path_);
  for (std::string line; std::getline(before, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) break;
    if (json["step"].get<std::int64_t>() > steps) break;
    kept += line + "\n";
  }
  write_file(path_, kept);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd_ < 0) fail_errno("write", path_);
}

MetricsFile::~MetricsFile() {
  if (fd_ >= 0) ::close(fd_);
}

void MetricsFile::add(const nlohmann::ordered_json& line) {
  const std::string text = line.dump() + "\n";
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t wrote = ::write(fd_, text.data() + at, text.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
      fail(full ? ErrorKind::resources : ErrorKind::system, "write {}: {}", path_, std::strerror(errno));
    }
    at += static_cast<std::size_t>(wrote);
  }
}

}  // namespace limpid

// The directory of a run: the files that make it a model's (config.json, the tokenizer), and its metrics.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "formats/atomic_file.h"
#include "text/tokenizer.h"
#include "train/example_source.h"
#include "train/run_config.h"

namespace limpid {

inline constexpr const char* kCheckpointName = "checkpoint.limpid";

// Writes tokenizer.json and tokenizer_config.json, learned from the mix or copied, and opens them. `keep`: those that
// are there stay (a run taken up again). Throws Error(input) where there is neither a directory nor a mix.
Tokenizer prepare_tokenizer(const RunConfig& config, const DataSpec& data, const std::string& directory, bool keep);

// Writes config.json: the configuration's "model" with the tokenizer's vocabulary where it names none, and reads it.
// Throws Error(input) naming the field.
ModelConfig prepare_model_config(const RunConfig& config, const Tokenizer& tokenizer, const std::string& directory);

// What tells a file from a changed one: 32 hexadecimal digits of its SipHash.
std::string file_hash(const std::string& path);

// What a checkpoint must agree with: the configuration (but for checkpoint_steps), the data, the tokenizer's file.
nlohmann::json describe_run(const RunConfig& config, const DataSpec& data, const std::string& tokenizer);

// Lines of JSON. One thread.
class MetricsFile {
 public:
  // Keeps the lines of steps up to `steps` of what is there; the last may be broken.
  MetricsFile(std::string path, std::int64_t steps);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;
  void add(const nlohmann::ordered_json& line);  // Error(resources) when the disk is full

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace limpid

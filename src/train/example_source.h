// ExampleSource: the endless list of training examples of a run, from the problem generators or from files. Where it
// stands is a small text; going on from it gives the same examples again. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "train/data_example.h"
#include "train/data_files.h"
#include "train/data_mix.h"

namespace limpid {

struct ExampleOptions {
  std::uint64_t seed = 1;
  float prompt_weight = 0.2F;
  double fim = 0;  // share of documents that are text with a hole
};

class ExampleSource {
 public:
  virtual ~ExampleSource() = default;
  // Throws Error(input) for a document that is broken, naming it.
  virtual TrainingExample next() = 0;
  virtual nlohmann::json position() const = 0;
  // Throws Error(input) for a position that is none of this source.
  virtual void seek(const nlohmann::json& position) = 0;
};

// The samples 0, 1, ... of a mix. One with a hole is the text of its prompt, thinking and answer, a line each.
class MixExamples final : public ExampleSource {
 public:
  MixExamples(Mix mix, std::shared_ptr<const DocumentWriter> writer, const ExampleOptions& options);
  TrainingExample next() override;
  nlohmann::json position() const override;
  void seek(const nlohmann::json& position) override;

 private:
  Mix mix_;
  std::shared_ptr<const DocumentWriter> writer_;
  ExampleOptions options_;
  std::uint64_t index_ = 0;
};

// Documents of files, shuffled, epoch after epoch. Only plain text is given holes.
class FileExamples final : public ExampleSource {
 public:
  FileExamples(const std::vector<std::string>& paths, std::shared_ptr<const DocumentWriter> writer,
               const ExampleOptions& options);
  TrainingExample next() override;
  nlohmann::json position() const override;
  void seek(const nlohmann::json& position) override;

 private:
  DataFiles files_;
  std::shared_ptr<const DocumentWriter> writer_;
  ExampleOptions options_;
  std::uint64_t index_ = 0;
};

// SPEC of the command line: "mix", a family, a mix's .json file, or files of data with commas between.
struct DataSpec {
  std::string text;
  Mix mix;                         // where there are no files
  std::vector<std::string> files;  // .jsonl or text
  // Throws Error(not_found | input) naming what is wrong.
  static DataSpec parse(const std::string& spec);
  // As models are trained from nothing here (ExampleWriter); the tokenizer must outlive it.
  std::unique_ptr<ExampleSource> open(const Tokenizer& tokenizer, const ExampleOptions& options) const;
  std::unique_ptr<ExampleSource> open(std::shared_ptr<const DocumentWriter> writer,
                                      const ExampleOptions& options) const;
};

}  // namespace limpid

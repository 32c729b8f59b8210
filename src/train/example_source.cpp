#include "train/example_source.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::uint32_t kHoleDomain = 0xFFFF'0001;  // beside the mixes' own (data_mix.cpp)

std::uint64_t number_at(const nlohmann::json& position, const char* field) {
  const auto found = position.is_object() ? position.find(field) : position.end();
  if (found == position.end() || !found->is_number_unsigned())
    fail(ErrorKind::input, "position in the data: expected a number \"{}\", found {}", field, position.dump());
  return found->get<std::uint64_t>();
}

}  // namespace

MixExamples::MixExamples(Mix mix, std::shared_ptr<const DocumentWriter> writer, const ExampleOptions& options)
    : mix_(std::move(mix)), writer_(std::move(writer)), options_(options) {}

TrainingExample MixExamples::next() {
  const MixedSample mixed = mixed_sample(mix_, Split::train, options_.seed, index_);
  Draw draw(options_.seed, index_++, kHoleDomain);
  if (!draw.chance(options_.fim)) return writer_->reply(mixed.sample.prompt, mixed.reply(), options_.prompt_weight);
  const std::string thinking = mixed.with_thinking ? mixed.sample.thinking + "\n" : "";
  return writer_->text_with_hole(mixed.sample.prompt + "\n" + thinking + mixed.sample.answer, draw);
}

nlohmann::json MixExamples::position() const { return {{"index", index_}}; }

void MixExamples::seek(const nlohmann::json& position) { index_ = number_at(position, "index"); }

FileExamples::FileExamples(const std::vector<std::string>& paths, std::shared_ptr<const DocumentWriter> writer,
                           const ExampleOptions& options)
    : files_(paths, {.seed = options.seed}), writer_(std::move(writer)), options_(options) {}

TrainingExample FileExamples::next() {
  std::optional<Document> document = files_.next();
  if (!document) document = files_.next();  // the next epoch
  if (!document) fail(ErrorKind::input, "the data files have no document");
  Draw draw(options_.seed, index_++, kHoleDomain);
  if (document->messages.empty() && draw.chance(options_.fim)) return writer_->text_with_hole(document->text, draw);
  return writer_->document(*document, options_.prompt_weight);
}

nlohmann::json FileExamples::position() const {
  const DataPosition at = files_.position();
  return {{"index", index_},     {"epoch", at.epoch}, {"window", at.window},  {"file", at.file},
          {"offset", at.offset}, {"line", at.line},   {"in_window", at.index}};
}

void FileExamples::seek(const nlohmann::json& position) {
  DataPosition at;
  at.epoch = number_at(position, "epoch");
  at.window = number_at(position, "window");
  at.file = number_at(position, "file");
  at.offset = number_at(position, "offset");
  at.line = number_at(position, "line");
  at.index = number_at(position, "in_window");
  files_.seek(at);
  index_ = number_at(position, "index");
}

DataSpec DataSpec::parse(const std::string& spec) {
  DataSpec data;
  data.text = spec;
  if (spec == "mix") {
    data.mix = default_mix();
    return data;
  }
  if (const std::optional<Family> family = family_from_name(spec)) {
    data.mix.parts = {{*family, 1, 1, levels_of(*family).trained, 0.5}};
    return data;
  }
  if (spec.ends_with(".json") && spec.find(',') == std::string::npos) {
    data.mix = read_mix(spec);
    return data;
  }
  for (std::size_t at = 0; at <= spec.size();) {
    const std::size_t comma = std::min(spec.find(',', at), spec.size());
    data.files.push_back(spec.substr(at, comma - at));
    if (!std::filesystem::is_regular_file(data.files.back()))
      fail(ErrorKind::not_found,
           "data '{}': expected mix, a family of problems, a mix's .json file or files of data, found no file '{}'",
           spec, data.files.back());
    at = comma + 1;
  }
  return data;
}

std::unique_ptr<ExampleSource> DataSpec::open(const Tokenizer& tokenizer, const ExampleOptions& options) const {
  return open(std::make_shared<const ExampleWriter>(tokenizer), options);
}

std::unique_ptr<ExampleSource> DataSpec::open(std::shared_ptr<const DocumentWriter> writer,
                                              const ExampleOptions& options) const {
  if (files.empty()) return std::make_unique<MixExamples>(mix, std::move(writer), options);
  return std::make_unique<FileExamples>(files, std::move(writer), options);
}

}  // namespace limpid

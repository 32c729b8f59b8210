#include "app/model_text.h"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/built_in.h"
#include "app/hub_setup.h"
#include "app/input.h"
#include "app/session.h"
#include "formats/gguf.h"
#include "formats/json.h"
#include "text/chat_template.h"

namespace limpid {

namespace fs = std::filesystem;

namespace {

// As transformers 5 keeps it, a file of its own, or in tokenizer_config.json.
std::string template_in(const fs::path& folder) {
  std::error_code error;
  if (const fs::path own = folder / "chat_template.jinja"; fs::exists(own, error)) return read_text_file(own.string());
  const fs::path config = folder / "tokenizer_config.json";
  if (!fs::exists(config, error)) return "";
  return chat_template_source(read_json(config.string())).value_or("");
}

}  // namespace

ModelText find_model_text(const std::string& model) {
  if (means_built_in(model)) {
    const ModelFiles files = open_model(model);
    return {open_tokenizer(files), files.chat_template()};
  }
  std::error_code error;
  fs::path path = model;
  if (fs::is_directory(path, error) && fs::exists(path / "tokenizer.json", error)) path /= "tokenizer.json";
  if (path.extension() != ".json" || !fs::exists(path, error)) path = resolve_model(model);
  if (fs::is_directory(path, error)) {
    if (!fs::exists(path / "tokenizer.json", error))
      fail(ErrorKind::not_found, "{}: no tokenizer.json in it", path.string());
    path /= "tokenizer.json";
  }
  if (path.extension() == ".json") return {Tokenizer::open(path.string()), template_in(path.parent_path())};
  const GgufFile file(path.string());
  return {Tokenizer::from_gguf(file), file.get_or<std::string>("tokenizer.chat_template", "")};
}

void say_if_no_template(const std::string& chat_template) {
  if (!chat_template.empty()) return;
  std::fputs(
      "limpid: this model has no chat template, as base models have none: turns are written as its special tokens "
      "suggest (`limpid render` shows how; `limpid run --raw` goes without)\n",
      stderr);
}

}  // namespace limpid

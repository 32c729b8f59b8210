#include "app/built_in.h"

#include <algorithm>

#include "app/hub_setup.h"
#include "app/session.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/atomic_file.h"
#include "hub/files.h"
#include "hub/reference.h"

namespace limpid {

MemoryFiles built_in_r1_nano();  // made by limpid_embed

std::optional<MemoryFiles> built_in_files() {
  MemoryFiles files = built_in_r1_nano();
  if (files.empty()) return std::nullopt;
  return files;
}

std::string built_in_introduction(std::int64_t parameters) {
  std::string text = fmt::format(
      "{} is a DeepSeek-V3 of {:.1f} million parameters that this program trained\n"
      "from nothing. It solves small problems of arithmetic, counting, order and\n"
      "logic, in English and Chinese, and thinks in plain sight. It cannot write\n"
      "texts or code, knows nothing of the world, and takes every message by itself.\n"
      "limpid chat --menu has models that can do more. Try:\n",
      kBuiltInName, static_cast<double>(parameters) / 1e6);
  for (const char* example : kBuiltInExamples) text += fmt::format("  {}\n", example);
  return text;
}

std::uint64_t built_in_bytes() {
  std::uint64_t bytes = 0;
  for (const auto& [name, content] : built_in_r1_nano()) bytes += content.size();
  return bytes;
}

bool means_built_in(const std::string& model) {
  std::error_code error;
  if (!equal_ignoring_case(model, kBuiltInName) || std::filesystem::exists(model, error)) return false;
  if (built_in_bytes() > 0) return true;
  fail(ErrorKind::not_found,
       "{} is not in this program: weights/{} held no model when it was built (limpid recipe r1-zero --out DIR trains "
       "one)",
       kBuiltInName, kBuiltInName);
}

ModelFiles open_model(const std::string& model) {
  if (means_built_in(model)) return ModelFiles::from_memory(std::string(kBuiltInName), *built_in_files());
  return open_files(model);
}

std::filesystem::path model_on_disk(const std::string& model) {
  if (!means_built_in(model)) return resolve_model(model);
  const std::filesystem::path folder = open_store().root() / "built-in" / kBuiltInName;
  make_folder(folder);
  const MemoryFiles files = built_in_r1_nano();
  for (const auto& [name, content] : files) {
    const std::string path = (folder / name).string();
    if (std::filesystem::exists(path) && std::ranges::equal(MappedFile(path).bytes(), content)) continue;
    AtomicFile file(path);
    file.write(content);
    file.commit();
  }
  return folder;
}

Tokenizer open_tokenizer(const ModelFiles& files) {
  if (!files.has_tokenizer())
    fail(ErrorKind::not_found, "{}: it has no tokenizer, which this command needs", files.path());
  if (files.gguf() != nullptr) return Tokenizer::from_gguf(*files.gguf());
  const std::optional<CheckpointFile> json = files.checkpoint()->open("tokenizer.json");
  const std::optional<CheckpointFile> config = files.checkpoint()->open("tokenizer_config.json");
  return Tokenizer::from_json(json->bytes, config ? config->bytes : std::span<const std::byte>(), json->path);
}

}  // namespace limpid

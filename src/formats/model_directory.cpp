#include "formats/model_directory.h"

#include <filesystem>

#include "base/mapped_file.h"
#include "formats/atomic_file.h"

namespace limpid {

void copy_model_files(const std::string& from, const std::string& to) {
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json", "chat_template.jinja"}) {
    const std::filesystem::path path = std::filesystem::path(from) / name;
    if (!std::filesystem::exists(path)) continue;
    const MappedFile bytes(path.string());
    AtomicFile file((std::filesystem::path(to) / name).string());
    file.write(bytes.bytes());
    file.commit();
  }
}

}  // namespace limpid

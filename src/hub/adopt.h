// What model files lie at a path: the reading half of adopting and of opening a directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace limpid {

struct FoundModel {
  std::string name;            // a proposal: the file's stem, or OWNER/REPO:QUANT in the Hugging Face cache
  std::filesystem::path path;  // absolute; a .gguf (first part) or a directory
  std::uint64_t bytes = 0;
  std::string repository, revision;
};

// One model for a file; for a directory its safetensors, or each GGUF in it and in its folders, two levels deep. A repository of the Hugging Face cache is
// read at refs/main, a snapshot as it is. Throws Error(not_found | input): nothing there, a part missing, a file that
// does not begin as a GGUF.
std::vector<FoundModel> find_models(const std::filesystem::path& path);

// Throws Error unless the file begins with GGUF's magic, and returns its size.
std::uint64_t check_gguf(const std::filesystem::path& file);

}  // namespace limpid

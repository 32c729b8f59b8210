// What a user may write after `pull`, and which files of a repository that means.
//   NAME[:QUANT]                                   a model of the catalogue
//   hf:OWNER/REPO[@REVISION][:FILE or QUANT]       any repository of the hub
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

struct Reference {
  bool hub = false;      // hf:...
  std::string name;      // the catalogue's name, or OWNER/REPO
  std::string revision;  // hub only; "main" when not given
  std::string variant;   // quantisation or file; "" when not given
};

// Throws Error(input) with the form that was expected.
Reference parse_reference(const std::string& text);

// A file of a repository, as the hub lists it.
struct RemoteFile {
  std::string path;
  std::uint64_t size = 0;
  std::string sha256;    // of the content, where the hub publishes it (large files)
  std::string git_sha1;  // of "blob SIZE\0" + content, for the small ones
};

// "Q4_K_M", "IQ1_S", "UD-IQ1_S", "BF16" ... as it stands in a file's name; "" when there is none.
std::string quant_of(std::string_view path);

// "x-00001-of-00003.gguf" -> "x"; other names lose ".gguf" only. Parts of one model have one stem.
std::string stem_of(std::string_view path);

// True for the second and later parts of a split file.
bool is_later_part(std::string_view path);

// The files that make one model: the parts of one GGUF, or the safetensors with their configuration and tokenizer.
// `variant` is a path, a file name, a quantisation or "". Throws Error(not_found | input) that lists what there is;
// Error(input) when parts are missing or a path is unsafe.
struct Selection {
  std::vector<RemoteFile> files;  // a split GGUF in the order of its parts
  std::string quant;              // "Q4_K_M" or "safetensors"
  bool directory = false;         // safetensors: the model is the directory
};
Selection select_files(const std::string& repository, const std::vector<RemoteFile>& all, const std::string& variant);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace limpid

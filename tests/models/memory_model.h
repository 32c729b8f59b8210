// A model of tests/models/data in memory, to be changed and opened again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/gguf.h"
#include "models/load.h"

namespace limpid::model_test {

class MemoryModel {  // not copied: files() points into it
 public:
  // A .gguf, or a directory of config.json and model.safetensors.
  explicit MemoryModel(const std::string& path) : gguf_(path.ends_with(".gguf")) {
    if (!gguf_) set_config(text_of(read(path + "/config.json")));
    weights_ = read(gguf_ ? path : path + "/model.safetensors");  // size_ is this one's
  }

  // Throws what opening throws. What is returned lives on the bytes here.
  ModelFiles files() const {
    if (gguf_)
      return ModelFiles::from_gguf(std::make_shared<const GgufFile>(GgufFile::from_memory(bytes(), "memory.gguf")));
    return ModelFiles::from_memory(
        "memory", {{"config.json", std::as_bytes(std::span(config_))}, {"model.safetensors", bytes()}});
  }

  bool is_gguf() const { return gguf_; }
  const std::string& config() const { return config_text_; }
  void set_config(const std::string& text) {
    config_text_ = text;
    config_.assign(text.begin(), text.end());
  }
  // A byte of the weights' file.
  unsigned char& byte(std::size_t offset) { return reinterpret_cast<unsigned char*>(weights_.data())[offset]; }
  std::size_t offset_of(const void* data) const {
    return static_cast<std::size_t>(static_cast<const std::byte*>(data) - bytes().data());
  }

  // The value of a key of the GGUF where it lies; its type (GgufType) is the 4 bytes before it.
  std::byte* value(std::string_view key) {
    const GgufFile file = GgufFile::from_memory(bytes(), "memory.gguf");
    const GgufValue* found = file.value(key);
    if (found == nullptr) fail(ErrorKind::not_found, "no key {}", key);
    return reinterpret_cast<std::byte*>(weights_.data()) + offset_of(found->bytes.data());
  }
  std::span<const std::byte> bytes() const { return {reinterpret_cast<const std::byte*>(weights_.data()), size_}; }

 private:
  static std::string text_of(const std::vector<std::uint64_t>& words) {
    std::string text(reinterpret_cast<const char*>(words.data()), words.size() * 8);
    return text.substr(0, text.find_last_of('}') + 1);
  }
  // In words, so that it begins at a multiple of 8.
  std::vector<std::uint64_t> read(const std::string& path) {
    size_ = std::filesystem::file_size(path);
    std::vector<std::uint64_t> words((size_ + 7) / 8);
    if (!std::ifstream(path, std::ios::binary)
             .read(reinterpret_cast<char*>(words.data()), static_cast<std::streamsize>(size_)))
      fail(ErrorKind::not_found, "{} cannot be read", path);
    return words;
  }

  bool gguf_;
  std::vector<std::uint64_t> weights_;
  std::size_t size_ = 0;
  std::string config_text_;
  std::vector<char> config_;
};

}  // namespace limpid::model_test

// Any bytes as a model, from its files to the plan of its memory: a GGUF file where they begin as one, else a config.json, a NUL and a model.safetensors.
// Planned, and loaded where it is small, or refused with an Error. Seeds: make_model_seeds.py.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "formats/gguf.h"
#include "models/decoder.h"
#include "models/load.h"

namespace {

// In words, because files in memory begin at a multiple of 8.
struct File {
  explicit File(std::span<const std::uint8_t> from) : words((from.size() + 7) / 8), size(from.size()) {
    if (size > 0) std::memcpy(words.data(), from.data(), size);
  }
  std::span<const std::byte> bytes() const { return {reinterpret_cast<const std::byte*>(words.data()), size}; }
  std::vector<std::uint64_t> words;
  std::size_t size;
};

void use(const limpid::ModelFiles& files) {
  const std::uint64_t bytes = limpid::packed_model_bytes(files, limpid::Precision::exact, {.mtp = true});
  limpid::packed_model_bytes(files, limpid::Precision::fast);
  if (bytes < std::uint64_t{1} << 20) limpid::load_decoder(files, limpid::Precision::fast, 1, {}, {.mtp = true});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> all(data, size);
  try {
    if (size >= 4 && std::memcmp(data, "GGUF", 4) == 0) {
      const File file(all);
      use(limpid::ModelFiles::from_gguf(
          std::make_shared<const limpid::GgufFile>(limpid::GgufFile::from_memory(file.bytes(), "fuzz.gguf"))));
    } else {
      const auto end = static_cast<std::size_t>(std::ranges::find(all, std::uint8_t{0}) - all.begin());
      const File config(all.first(end)), weights(all.subspan(std::min(end + 1, size)));
      use(limpid::ModelFiles::from_memory("fuzz",
                                          {{"config.json", config.bytes()}, {"model.safetensors", weights.bytes()}}));
    }
  } catch (const limpid::Error&) {
  }
  return 0;
}

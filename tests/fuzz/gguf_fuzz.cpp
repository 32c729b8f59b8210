// Any bytes as a GGUF file: opened and read in full, or refused with an Error.
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "formats/gguf.h"

namespace {

template <typename T>
void ask(const limpid::GgufFile& file, std::string_view key) {
  try {
    (void)file.find<T>(key);
  } catch (const limpid::Error&) {  // of another type, or too large for T
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const std::vector<std::byte> bytes(begin, begin + size);
  try {
    const limpid::GgufFile file = limpid::GgufFile::from_memory(bytes, "fuzz.gguf");
    for (const limpid::GgufValue& value : file.values()) {
      ask<bool>(file, value.key);
      ask<std::uint32_t>(file, value.key);
      ask<std::int64_t>(file, value.key);
      ask<double>(file, value.key);
      ask<std::string>(file, value.key);
      ask<std::vector<std::string_view>>(file, value.key);
      ask<std::vector<std::int32_t>>(file, value.key);
      ask<std::vector<float>>(file, value.key);
    }
    volatile unsigned sum = 0;
    for (const limpid::GgufTensor& tensor : file.tensors())
      if (!tensor.data.empty())
        sum = sum + std::to_integer<unsigned>(tensor.data.front()) + std::to_integer<unsigned>(tensor.data.back());
  } catch (const limpid::Error&) {
  }
  return 0;
}

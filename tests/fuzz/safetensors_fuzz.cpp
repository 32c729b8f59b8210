// Any bytes as a safetensors file: opened and read in full, or refused with an Error.
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const std::vector<std::byte> bytes(begin, begin + size);
  try {
    const limpid::SafetensorsFile file = limpid::SafetensorsFile::from_memory(bytes, "fuzz.safetensors");
    volatile unsigned sum = 0;
    for (const limpid::SafetensorsTensor& tensor : file.tensors()) {
      if (file.tensor(tensor.name) != &tensor) __builtin_trap();  // names are unique
      if (!tensor.data.empty())
        sum = sum + std::to_integer<unsigned>(tensor.data.front()) + std::to_integer<unsigned>(tensor.data.back());
    }
  } catch (const limpid::Error&) {
  }
  return 0;
}

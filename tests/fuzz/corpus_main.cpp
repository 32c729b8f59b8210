// Runs a fuzz target over the files of its corpus, with any compiler: NAME_fuzz CORPUS_FOLDER. Each file goes in whole
// and cut at a few places. Success means that nothing crashed and no exception escaped; there must be at least one
// file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::ranges::sort(files);
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> whole{std::istreambuf_iterator<char>(in), {}};
    for (const std::size_t part : {std::size_t{8}, std::size_t{7}, std::size_t{4}, std::size_t{1}}) {
      const auto end = whole.begin() + static_cast<std::ptrdiff_t>(whole.size() * part / 8);
      const std::vector<std::uint8_t> bytes(whole.begin(), end);  // of its own, so that a sanitizer sees its end
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
  }
  std::printf("%zu files\n", files.size());
  return files.empty() ? 1 : 0;
}

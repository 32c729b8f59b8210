// How fast tokenizers encode:   tokenizer_bench TOKENIZER [TEXT...]
// For each text (a file), or for texts made here when none is given: MB per second of processor time, the best of
// several runs, one thread. "one letter", "spaces" and "random letters" are single pieces of a megabyte: what a
// quadratic encoder falls over.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "text/tokenizer.h"

namespace {

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += unit;
  return out;
}

std::string random_letters(std::size_t bytes) {
  std::mt19937 random(1);
  std::string out;
  while (out.size() < bytes) out += static_cast<char>('a' + random() % 26);
  return out;
}

void measure(const limpid::Tokenizer& tokenizer, const std::string& name, std::string_view text) {
  double best = std::numeric_limits<double>::max();
  std::size_t ids = 0;
  for (int run = 0; run < 9; ++run) {
    const double start = processor_seconds();
    ids = tokenizer.encode(text).size();
    best = std::min(best, processor_seconds() - start);
  }
  fmt::print("{:<28} {:>10} bytes {:>9} tokens {:>8.1f} MB/s\n", name, text.size(), ids,
             static_cast<double>(text.size()) / best / 1e6);
}

int run(int argc, char** argv) {
  const double start = processor_seconds();
  const limpid::Tokenizer tokenizer = limpid::Tokenizer::open(argv[1]);
  fmt::print("{}: {} tokens, read in {:.0f} ms\n", argv[1], tokenizer.vocabulary_size(),
             1e3 * (processor_seconds() - start));
  for (int i = 2; i < argc; ++i) {
    const limpid::MappedFile file(argv[i]);
    measure(tokenizer, argv[i], {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  }
  if (argc > 2) return 0;
  const std::pair<const char*, std::string> texts[] = {
      {"one letter", repeated("a", 1'000'000)},
      {"spaces", repeated(" ", 1'000'000)},
      {"random letters", random_letters(1'000'000)},
      {"one Chinese sentence", repeated("今天天气很好，我们去公园散步。", 1'000'000)},
      {"one line of code", repeated("    for (int i = 0; i < count; ++i) sum += values[i];\n", 1'000'000)}};
  for (const auto& [name, text] : texts) measure(tokenizer, name, text);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: tokenizer_bench TOKENIZER [TEXT...]\n", stderr);
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const limpid::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

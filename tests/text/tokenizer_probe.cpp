// Encodes records from standard input for tokenizer_differential.py:   tokenizer_probe TOKENIZER < records > lines
// A record is a byte (1: control tokens count), 4 bytes of length (little-endian) and the text. A line is the ids;
// then, after a
// "|", the decoded bytes in hexadecimal. Streaming is checked on the way: a difference prints "stream differs".
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "base/error.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace {

std::string line_of(const limpid::Tokenizer& tokenizer, std::string_view text, bool special) {
  const std::vector<limpid::TokenId> ids = tokenizer.encode(text, {.special = special});
  std::string line = fmt::format("{}|", fmt::join(ids, " "));
  for (const unsigned char byte : tokenizer.decode(ids)) line += fmt::format("{:02x}", byte);
  limpid::StreamDecoder decoder;
  std::string streamed, all;
  for (const limpid::TokenId id : ids) {
    streamed += decoder.push(tokenizer.token_bytes(id));
    all += tokenizer.token_bytes(id);
  }
  streamed += decoder.finish();
  return streamed == limpid::to_valid_utf8(all) ? line : "stream differs";
}

int run(const char* path) {
  const limpid::Tokenizer tokenizer = limpid::Tokenizer::open(path);
  const std::string input((std::istreambuf_iterator<char>(std::cin)), {});
  std::string out;
  for (std::size_t at = 0; at + 5 <= input.size();) {
    std::size_t size = 0;
    for (int i = 3; i >= 0; --i)
      size = size << 8 | static_cast<unsigned char>(input[at + 1 + static_cast<std::size_t>(i)]);
    out += line_of(tokenizer, std::string_view(input).substr(at + 5, size), input[at] != 0) + "\n";
    at += 5 + size;
  }
  std::cout << out;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: tokenizer_probe TOKENIZER < records\n", stderr);
    return 2;
  }
  try {
    return run(argv[1]);
  } catch (const limpid::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

// Any bytes as what a model writes: the events must not depend on where the text is cut. Byte 0 picks the format, byte
// 1 the cuts.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/stream_parser.h"

namespace {

using limpid::StreamEvent;

void add(std::string& transcript, int& last, const std::vector<StreamEvent>& events) {
  for (const StreamEvent& event : events) {
    const int kind = static_cast<int>(event.kind);
    const bool text = event.kind == StreamEvent::Kind::thinking || event.kind == StreamEvent::Kind::answer;
    if (kind != last || !text) transcript += '\x01' + std::to_string(kind);
    transcript += event.text + event.call.name + '\x02' + event.call.arguments + '\x02' + event.call.id +
                  (event.call.complete ? "" : "...");
    if (text && limpid::valid_utf8_prefix(event.text) != event.text.size()) __builtin_trap();
    if (text) transcript.resize(transcript.size() - 2);
    last = kind;
  }
}

std::string parse(limpid::StreamParser::Options options, std::string_view text, std::size_t most) {
  limpid::StreamParser parser(options);
  std::string transcript;
  int last = -1;
  std::size_t step = 1;
  while (!text.empty()) {
    const std::size_t size = std::min(text.size(), most == 0 ? text.size() : step);
    add(transcript, last, parser.push(text.substr(0, size)));
    text.remove_prefix(size);
    step = step % (most ? most : 1) + 1;
  }
  add(transcript, last, parser.finish());
  return transcript;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  limpid::StreamParser::Options options;
  options.thinks = data[0] & 1;
  options.starts_thinking = data[0] & 2;
  options.tools = static_cast<limpid::ToolFormat>((data[0] >> 2) % 5);
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = parse(options, text, 0);
  if (parse(options, text, 1) != whole || parse(options, text, data[1] % 32 + 2) != whole) __builtin_trap();
  return 0;
}

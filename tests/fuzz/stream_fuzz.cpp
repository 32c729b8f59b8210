// Any bytes as what a model writes: the events must not depend on where the text is cut. Byte 0 picks the format, byte
// 1 the cuts.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/stream_parser.h"

namespace {

using limpid::StreamEvent;

// The pieces of a call are the call.
void add(std::string& transcript, int& last, limpid::ToolCall& begun, const std::vector<StreamEvent>& events) {
  for (const StreamEvent& event : events) {
    if (event.kind == StreamEvent::Kind::call_begin) {
      begun = event.call;
      continue;
    }
    if (event.kind == StreamEvent::Kind::call_arguments) {
      if (event.call.arguments.empty() || event.call.index != begun.index) __builtin_trap();
      begun.arguments += event.call.arguments;
      continue;
    }
    if (event.kind == StreamEvent::Kind::tool_call &&
        (event.call.name != begun.name || event.call.id != begun.id || event.call.arguments != begun.arguments))
      __builtin_trap();
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
  limpid::ToolCall begun;
  int last = -1;
  std::size_t step = 1;
  while (!text.empty()) {
    const std::size_t size = std::min(text.size(), most == 0 ? text.size() : step);
    add(transcript, last, begun, parser.push(text.substr(0, size)));
    text.remove_prefix(size);
    step = step % (most ? most : 1) + 1;
  }
  add(transcript, last, begun, parser.finish());
  return transcript;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  limpid::StreamParser::Options options;
  options.thinks = data[0] & 1;
  options.starts_thinking = data[0] & 2;
  options.tools = static_cast<limpid::ToolFormat>((data[0] >> 2) % 5);
  options.only_calls_or_text = data[0] & 128;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = parse(options, text, 0);
  if (parse(options, text, 1) != whole || parse(options, text, data[1] % 32 + 2) != whole) __builtin_trap();
  return 0;
}

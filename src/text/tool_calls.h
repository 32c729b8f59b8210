// Tool calls as models write them, and their reading: the formats of DeepSeek V3, R1 and V3.1, of Qwen and Hermes, of
// Llama 3.1 and of Kimi.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace limpid {

enum class ToolFormat {
  none,
  deepseek,  // <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\nARGUMENTS\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
             // (V3, R1), NAME<｜tool▁sep｜>ARGUMENTS inside the same marks (V3.1)
  hermes,    // <tool_call>\n{"name": NAME, "arguments": {...}}\n</tool_call>
  llama3,    // {"name": NAME, "parameters": {...}}, several with ';' between, also after <|python_tag|>;
             // <|python_tag|>NAME.call(...) or code
  kimi,  // <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>ARGUMENTS<|tool_call_end|>...
};

// The format that a chat template shows its model, by the marks in its text; none where it shows no tools.
ToolFormat tool_format_of(std::string_view chat_template);

struct ToolCall {
  std::string name;
  std::string arguments;  // JSON text; for deepseek and kimi exactly what the model wrote, which may be no JSON
  std::string id;         // where the format has one (kimi), else empty
  int index = 0;          // in the stream, from 0
  bool complete = true;   // false: the stream ended inside the arguments
};

// The marks around calls; empty where the format has none.
struct ToolMarks {
  std::string_view section_begin, section_end, call_begin, call_end, separator;
};
ToolMarks tool_marks(ToolFormat format);

// What stands between call_begin and call_end (deepseek, kimi). Nothing where it names no function.
std::optional<ToolCall> read_marked_call(ToolFormat format, std::string_view body);
// One JSON object with a name and arguments or parameters (hermes, llama3). Nothing where it is no such thing.
std::optional<ToolCall> read_json_call(std::string_view object);
// What follows <|python_tag|> and is no JSON: NAME.call(key="value", ...), otherwise code, as a call of "python" with
// {"code": ...}.
ToolCall read_python_call(std::string_view text);

// Finds the end of one JSON object as it comes in; looks at each byte once.
class JsonEnd {
 public:
  // Bytes of `text` up to and with the closing brace, if it is there; `text` is the same object with more at its end on
  // each call.
  std::optional<std::size_t> find(std::string_view text);

 private:
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  bool string_ = false, escape_ = false;
};

}  // namespace limpid

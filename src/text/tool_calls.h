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
  std::string arguments;  // JSON text as the model wrote it, which may be no JSON
  std::string id;         // where the format has one (kimi), else empty
  int index = 0;          // in the stream, from 0
  bool complete = true;   // false: the stream ended inside the arguments
};

// The marks around calls; empty where the format has none.
struct ToolMarks {
  std::string_view section_begin, section_end, call_begin, call_end, separator;
};
ToolMarks tool_marks(ToolFormat format);

// What stands between call_begin and call_end (deepseek, kimi): the function, and where its arguments begin.
struct MarkedHead {
  std::string name, id;
  std::size_t arguments = 0;
  bool fenced = false;  // they end with ```
};
// Nothing where it names no function; or, with a body that is not whole, does not tell yet. What it tells then stays.
std::optional<MarkedHead> marked_head(ToolFormat format, std::string_view body, bool whole);
// Of a whole body.
std::string_view marked_arguments(const MarkedHead& head, std::string_view body);
// One JSON object with a name and arguments or parameters (hermes, llama3). Nothing where it is no such thing.
std::optional<ToolCall> read_json_call(std::string_view object);
// What follows <|python_tag|> and is no JSON: NAME.call(key="value", ...), otherwise code, as a call of "python" with
// {"code": ...}.
ToolCall read_python_call(std::string_view text);

// One JSON object of a call as it comes in (hermes, llama3): where it ends and, where its name stands before its
// arguments and these are an object, where those are; looks at each byte once.
class CallObject {
 public:
  explicit CallObject(ToolFormat format = ToolFormat::none) : format_(format) {}

  // `text` is the same object with more at its end on each call; white space may stand before it.
  void read(std::string_view text);
  std::optional<std::size_t> end() const { return end_; }  // bytes up to and with the closing brace

  // The name is known and the arguments have begun: it is a call, whatever follows.
  bool begun() const { return begun_; }
  const std::string& name() const { return name_; }
  std::size_t arguments() const { return arguments_; }
  std::size_t arguments_end() const { return done_ ? arguments_end_ : at_; }  // as far as they have come
  bool arguments_done() const { return done_; }
  bool complete() const { return complete_; }  // done, and closed

 private:
  void string_ends(std::string_view text);

  ToolFormat format_;
  std::size_t at_ = 0, depth_ = 0, string_begin_ = 0, arguments_ = 0, arguments_end_ = 0;
  bool string_ = false, escape_ = false, value_ = false;  // value_: behind the colon, in the object itself
  bool begun_ = false, done_ = false, complete_ = false;
  std::string key_, name_;
  std::optional<std::size_t> end_;
};

}  // namespace limpid

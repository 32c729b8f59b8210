// StreamParser: the text that a model writes, split while it comes into thinking, answer and tool calls. The events,
// once those of one kind that follow each other are joined, do not depend on where the text was cut into pieces.
//
// Rules:
// - `<think>` counts only where nothing but white space stands before it in its part (at the start, after `</think>`,
// after a tool call);
//   in the middle of a text it is text, for models write about it. So does a repeated one; a repeated `</think>`
//   likewise.
// - A prompt that ended with `<think>\n` starts the stream inside thinking (Options::starts_thinking), and a `<think>`
// there is a repeated one.
// - `</think>` without any `<think>` before it: what was said so far was thinking; an event answer_was_thinking says
// so, once.
// - A tool section of DeepSeek or Kimi, whose marks are tokens of their own, ends thinking; other formats count in the
// answer only.
// - White space next to a mark is dropped; without marks the text is the model's to the byte.
// - What looked like a tool call and is none comes out as answer, marks included. The end of the stream loses nothing:
// an unclosed thinking
//   was thinking, a call cut off in its arguments is a call with complete = false, everything else that was held back
//   is text.
// - A call is one as soon as its name and the beginning of its arguments have been read; those come as they are written.
// Text is held back only while it may still become a mark, is white space that a mark may follow, or belongs to a tool
// call.
//
// One per stream; not for sharing between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/stream_decoder.h"
#include "text/tool_calls.h"

namespace limpid {

struct StreamEvent {
  // A call comes as call_begin (its name, id and index), call_arguments (pieces of them, in call.arguments, never empty)
  // and tool_call (all of it); the pieces together are its arguments.
  enum class Kind { thinking, answer, call_begin, call_arguments, tool_call, answer_was_thinking };
  Kind kind = Kind::answer;
  std::string text;  // of thinking and answer: whole UTF-8 characters, never empty
  ToolCall call;
};

class StreamParser {
 public:
  struct Options {
    bool thinks = false;           // the model knows <think>; where it does not, the marks are text
    bool starts_thinking = false;  // the prompt ended with <think>\n
    ToolFormat tools = ToolFormat::none;
    bool only_calls_or_text = false;  // a call counts only where nothing was said: text may hold the marks
  };
  explicit StreamParser(Options options);

  // Bytes in any pieces; bytes that are no UTF-8 come out as U+FFFD.
  std::vector<StreamEvent> push(std::string_view bytes);
  // The end of the stream. Afterwards the parser is spent. cut: the model had not come to its end; a call whose mark was
  // written, and which is too short to be read, is dropped then instead of becoming text.
  std::vector<StreamEvent> finish(bool cut = false);

  // Inside <think> now (after finish: the thinking was never closed).
  bool thinking() const { return part_ == Part::thinking; }

 private:
  enum class Part { thinking, answer, between_calls, call, json };
  enum class Mark { open_think, close_think, section, call, hermes, python };
  enum class Match { none, partial, whole };
  using Events = std::vector<StreamEvent>;

  void run(bool final, Events& out);
  bool text(bool final, Events& out);
  bool between_calls(bool final);
  bool call(bool final, Events& out);
  bool json(bool final, Events& out);
  bool object_call(bool final, Events& out);
  bool python(bool final, Events& out);
  Match match(Mark& mark, std::size_t& size) const;
  bool counts(Mark mark) const;
  void enter(Mark mark, Events& out);
  void enter(Part part);
  void say(std::string_view text, Events& out);
  void emit(StreamEvent::Kind kind, std::string text, Events& out);
  void begin_call(const std::string& name, const std::string& id, Events& out);
  void say_arguments(std::string_view so_far, Events& out);
  void end_call(std::string_view arguments, bool complete, Events& out);
  void emit(const ToolCall& call, Events& out);
  void give_up(std::size_t size, Events& out);
  std::string_view rest() const { return std::string_view(held_).substr(at_); }

  Options options_;
  const ToolMarks marks_;
  std::vector<std::pair<std::string_view, Mark>> known_;
  StreamDecoder decoder_;
  std::string held_;  // what is not said yet; read from at_
  std::size_t at_ = 0;
  std::string space_;                 // white space that waits for what follows it
  std::string opened_;                // the mark of the call that is being read, for the case that it is none
  CallObject scan_;                   // of the JSON being read
  std::optional<ToolCall> open_;      // the call that has begun, without arguments
  std::optional<MarkedHead> head_;    // of the call between marks
  std::size_t given_ = 0;             // bytes of its arguments that were said
  std::size_t seen_ = 0, solid_ = 0;  // bytes of rest(): looked at; up to the last one that stays part of the arguments
  std::size_t searched_ = 0;          // bytes of rest() that hold no end of the call
  Part part_ = Part::answer;
  Part before_ = Part::answer;  // the part to which a failed call belongs
  bool start_ = true;           // nothing but white space was said in this part
  bool after_mark_ = false;     // white space at the start of this part is dropped
  bool thought_ = false;        // some <think> was seen, here or in the prompt
  bool answered_ = false;       // some answer was said
  bool in_python_ = false;
  bool cut_ = false;
  int calls_ = 0;
};

}  // namespace limpid

// What a conversation looks like: thinking dimmed as it streams, or a counter where it is hidden; a line of figures
// after each answer. Into a pipe: the answer and nothing else; that it was cut off or stopped, on standard error.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "app/answer.h"
#include "app/style.h"
#include "app/word_wrap.h"

namespace limpid {

class ChatScreen {
 public:
  explicit ChatScreen(bool decorated);  // false: the answer alone
  const Style& style() const { return style_; }
  bool decorated() const { return decorated_; }

  bool hide_thinking = false;

  void begin();  // an answer comes
  void event(const ChatEvent& event);
  void toggle();  // hides the thinking that is on the screen, or shows what is hidden; while the model thinks
  void end(const ChatAnswer& answer, int context);  // with the status line, or why it ended early

  void say(const std::string& text) const;       // a line for people, dimmed
  void complain(const std::string& text) const;  // a line on standard error

 private:
  std::string wrapped(std::string_view text);
  void count_thinking();
  void close_thinking(double seconds);

  const bool decorated_;
  const Style style_;
  bool thinking_ = false, any_answer_ = false, any_thinking_ = false;
  int counted_ = -1;  // seconds last shown
  WordWrap wrap_{80};
  std::string thinking_text_;  // of this answer, as it is shown
  std::chrono::steady_clock::time_point start_{};
};

// One line for each token: its text, probability, and what else it could have been.
std::string token_table(const std::vector<ChatTokenInfo>& tokens, const Style& style);

// "38.2 tokens/s, 512 of 8192 tokens of context used, 480 cached"
std::string status_line(const ChatAnswer& answer, int context);

}  // namespace limpid

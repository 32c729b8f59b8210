#include "app/chat_screen.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "app/answer.h"
#include "app/format.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/terminal.h"
#include "base/seconds.h"

namespace limpid {

namespace {

constexpr int kTokenColumns = 28;         // of /tokens: the alternatives stand in a column where they can
constexpr float kWorthShowing = 0.0005F;  // an alternative less likely than that would read 0.0 %

std::string quoted_visible(const std::string& bytes) { return "'" + visible(bytes) + "'"; }

std::string percent(float logprob) { return fmt::format("{:.1f} %", 100 * std::exp(static_cast<double>(logprob))); }

}  // namespace

ChatScreen::ChatScreen(bool decorated) : decorated_(decorated), style_(decorated ? STDOUT_FILENO : -1) {}

void ChatScreen::begin() {
  thinking_ = any_answer_ = any_thinking_ = false;
  thinking_text_.clear();
  wrap_ = WordWrap(window_size().columns);
  counted_ = -1;
  start_ = std::chrono::steady_clock::now();
}

void ChatScreen::event(const ChatEvent& event) {
  if (event.kind == ChatEvent::Kind::thinking && decorated_) {
    const std::string text = printable(event.text);
    thinking_ = any_thinking_ = true;
    thinking_text_ += text;
    hide_thinking ? count_thinking() : write_out(style_.dim(wrapped(text)));
  } else if (event.kind == ChatEvent::Kind::answer) {
    if (thinking_) close_thinking(seconds_since(start_));
    write_out(decorated_ ? wrapped(printable(event.text)) : event.text);
    any_answer_ = true;
  } else if (event.kind == ChatEvent::Kind::tool_call) {
    const std::string call = fmt::format("{}({})", event.call.name, event.call.arguments);
    write_out(decorated_ ? wrapped(printable(call)) : call);
    any_answer_ = true;
  } else if (event.kind == ChatEvent::Kind::answer_was_thinking && decorated_) {
    write_out("\n" + style_.dim("(that was thinking)") + "\n\n");
  }
  flush_out();
}

std::string ChatScreen::wrapped(std::string_view text) {
  wrap_.resize(window_size().columns);
  return wrap_.add(text);
}

void ChatScreen::count_thinking() {
  const int now = static_cast<int>(seconds_since(start_));
  if (now == std::exchange(counted_, now)) return;
  write_out("\r" + style_.dim(fmt::format("thinking, {} s", now)));
}

void ChatScreen::toggle() {
  if (!thinking_) return;
  hide_thinking = !hide_thinking;
  if (hide_thinking) {
    // What has left the window upwards cannot be taken back.
    const WindowSize window = window_size();
    WordWrap shown(window.columns);
    shown.add(thinking_text_);
    const int rows = std::min(shown.row(), window.rows - 1);
    write_out(rows > 0 ? fmt::format("\r\x1b[{}A\x1b[J", rows) : "\r\x1b[J");
    counted_ = -1;
    count_thinking();
  } else {
    wrap_ = WordWrap(window_size().columns);
    write_out("\r\x1b[K" + style_.dim(wrapped(thinking_text_)));
  }
  flush_out();
}

void ChatScreen::close_thinking(double seconds) {
  thinking_ = false;
  wrap_ = WordWrap(window_size().columns);
  const std::string line =
      style_.dim("thought for " + (seconds < 9.95 ? fmt::format("{:.1f} s", seconds) : human_time(seconds)));
  write_out(hide_thinking ? "\r\x1b[K" + line + "\n\n" : "\n" + line + "\n\n");
}

void ChatScreen::end(const ChatAnswer& answer, int context) {
  if (thinking_) close_thinking(seconds_since(start_));
  write_out("\n");
  if (decorated_) {
    if (answer.result.finish == ChatFinish::cancelled) write_out(style_.dim("(stopped)") + "\n");
    if (answer.result.finish == ChatFinish::length) write_out(style_.dim("(the context is full)") + "\n");
    write_out(style_.dim(status_line(answer, context)) + "\n\n");
  }
  flush_out();
  if (decorated_) return;
  if (answer.result.finish == ChatFinish::cancelled) complain("stopped");
  if (answer.result.finish == ChatFinish::length)
    complain(cut_off(answer, fmt::format("the context of {} is full", context)));
}

void ChatScreen::say(const std::string& text) const {
  if (!decorated_) return;
  write_out(style_.dim(text) + "\n");
  flush_out();
}

void ChatScreen::complain(const std::string& text) const {
  std::fflush(stdout);
  std::fprintf(stderr, "limpid: %s\n", visible(text).c_str());
}

std::string token_table(const std::vector<ChatTokenInfo>& tokens, const Style& style) {
  std::string out;
  for (const ChatTokenInfo& token : tokens) {
    const char* mark = token.forced ? " (forced)" : token.end ? " (end)" : "";
    std::string line =
        fmt::format("{:>7}  {}{}", percent(token.token.logprob), quoted_visible(token.token.bytes), mark);
    line.append(static_cast<std::size_t>(std::max(kTokenColumns - walk(line, 1 << 20).column, 0)), ' ');
    std::string others;
    for (const ChatToken& other : token.alternatives)
      if (other.id != token.token.id && std::exp(other.logprob) >= kWorthShowing)
        others += fmt::format("  {} {}", quoted_visible(other.bytes), percent(other.logprob));
    out += (token.thinking ? style.dim(line) : line) + style.dim(others) + "\n";
  }
  return out;
}

std::string status_line(const ChatAnswer& answer, int context) {
  const Usage& usage = answer.result.usage;
  const double rate = usage.decode_seconds > 0 ? (usage.completion_tokens - 1) / usage.decode_seconds : 0;
  return fmt::format("{:.1f} tokens/s, {} of {} tokens of context used, {} cached", rate,
                     usage.prompt_tokens + usage.completion_tokens, context, usage.cached_tokens);
}

}  // namespace limpid

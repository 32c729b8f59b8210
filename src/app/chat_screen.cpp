#include "app/chat_screen.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "app/format.h"
#include "app/output.h"
#include "text/unicode.h"

namespace limpid {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// What models write goes to a terminal without what would command it.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t')
      if (c != 0x7f) out += c;
  return out;
}

std::string quoted(const std::string& bytes) {
  std::string out = "'";
  for (const char c : to_valid_utf8(bytes)) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)
      out += c;
  }
  return out + "'";
}

std::string percent(float logprob) { return fmt::format("{:.1f} %", 100 * std::exp(static_cast<double>(logprob))); }

}  // namespace

ChatScreen::ChatScreen(bool decorated) : decorated_(decorated), style_(decorated ? STDOUT_FILENO : -1) {}

void ChatScreen::begin() {
  thinking_ = any_answer_ = any_thinking_ = false;
  counted_ = -1;
  start_ = std::chrono::steady_clock::now();
}

void ChatScreen::event(const ChatEvent& event) {
  if (event.kind == ChatEvent::Kind::thinking && decorated_) {
    thinking_ = any_thinking_ = true;
    if (!hide_thinking) {
      write_out(style_.dim(printable(event.text)));
    } else if (const int now = static_cast<int>(seconds_since(start_)); now != counted_) {
      counted_ = now;
      write_out(style_.dim(fmt::format("\rthinking, {} s", now)));
    }
  } else if (event.kind == ChatEvent::Kind::answer) {
    if (thinking_) close_thinking(seconds_since(start_));
    write_out(decorated_ ? printable(event.text) : event.text);
    any_answer_ = true;
  } else if (event.kind == ChatEvent::Kind::tool_call) {
    print("{}({})", event.call.name, event.call.arguments);
    any_answer_ = true;
  } else if (event.kind == ChatEvent::Kind::answer_was_thinking && decorated_) {
    write_out("\n" + style_.dim("(that was thinking)") + "\n\n");
  }
  flush_out();
}

void ChatScreen::close_thinking(double seconds) {
  thinking_ = false;
  const std::string line = style_.dim("thought for " + human_time(seconds));
  write_out(hide_thinking ? "\r\x1b[K" + line + "\n\n" : "\n" + line + "\n\n");
}

void ChatScreen::end(const Answer& answer, int context) {
  if (thinking_) close_thinking(seconds_since(start_));
  write_out("\n");
  if (decorated_) {
    if (answer.result.finish == ChatFinish::cancelled) write_out(style_.dim("(stopped)") + "\n");
    if (answer.result.finish == ChatFinish::length) write_out(style_.dim("(the context is full)") + "\n");
    write_out(style_.dim(status_line(answer, context)) + "\n\n");
  }
  flush_out();
}

void ChatScreen::say(const std::string& text) const {
  if (!decorated_) return;
  write_out(style_.dim(text) + "\n");
  flush_out();
}

void ChatScreen::complain(const std::string& text) const {
  std::fflush(stdout);
  std::fprintf(stderr, "limpid: %s\n", text.c_str());
}

std::string token_table(const std::vector<ChatTokenInfo>& tokens, const Style& style) {
  std::string out;
  for (const ChatTokenInfo& token : tokens) {
    std::string line = fmt::format("{:>7}  {}{}", percent(token.token.logprob), quoted(token.token.bytes),
                                   token.forced ? " (forced)"
                                   : token.end  ? " (end)"
                                                : "");
    std::string others;
    for (const ChatToken& other : token.alternatives)
      if (other.id != token.token.id) others += fmt::format("  {} {}", quoted(other.bytes), percent(other.logprob));
    out += (token.thinking ? style.dim(line) : line) + style.dim(others) + "\n";
  }
  return out;
}

std::string status_line(const Answer& answer, int context) {
  const Usage& usage = answer.result.usage;
  const double rate = usage.decode_seconds > 0 ? (usage.completion_tokens - 1) / usage.decode_seconds : 0;
  return fmt::format("{:.1f} tokens/s, {} of {} tokens of context used, {} cached", rate,
                     usage.prompt_tokens + usage.completion_tokens, context, usage.cached_tokens);
}

}  // namespace limpid

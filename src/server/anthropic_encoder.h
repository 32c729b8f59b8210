// Answers in Anthropic's format: a message of blocks (thinking, text, tool_use), whole or as the events message_start,
// content_block_start, content_block_delta, content_block_stop, message_delta, message_stop.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/answer_encoder.h"

namespace limpid {

struct AnthropicOptions {
  std::int64_t max_tokens = 0;  // as asked for: an answer that ends before them ran out of context
  bool show_thinking = true;    // false: thinking blocks come without their text
};

class AnthropicEncoder : public AnswerEncoder {
 public:
  explicit AnthropicEncoder(const AnthropicOptions& options) : options_(options) {}
  void facts(const AnswerFacts& facts) override { facts_ = facts; }
  void begin(SentEvents& out) override;
  void event(int choice, const ChatEvent& event, SentEvents& out) override;
  void end(const std::vector<ChatResult>& results, SentEvents& out) override;
  void failed(const ApiError& error, SentEvents& out) override;
  std::string_view keep_alive() const override { return "event: ping\ndata: {\"type\":\"ping\"}\n\n"; }
  std::string whole(const std::vector<ChatAnswer>& answers) override;

 private:
  enum class Block { none, thinking, text, call };

  void open(Block kind, SentEvents& out);
  void close(SentEvents& out);
  void open_call(const ToolCall& call, SentEvents& out);
  std::string delta(std::string_view type, std::string_view field, std::string_view text) const;
  std::string message(std::string_view content, std::string_view stop, std::string_view usage) const;
  std::string stop_fields(const ChatResult& result) const;

  const AnthropicOptions options_;
  AnswerFacts facts_;
  Block block_ = Block::none;  // the one that is open
  int index_ = 0;              // its place
};

// {"type": "error", "error": {"type", "message"}, "request_id"}
std::string anthropic_error_body(const ApiError& error, const std::string& request_id);

}  // namespace limpid

// Chat completions in OpenAI's format with DeepSeek's reasoning_content: "chat.completion" and "chat.completion.chunk".
#pragma once

#include <string>
#include <vector>

#include "server/answer_encoder.h"
#include "server/openai_options.h"

namespace limpid {

class OpenaiChatEncoder : public AnswerEncoder {
 public:
  explicit OpenaiChatEncoder(const OpenaiOptions& options) : options_(options) {}
  void facts(const AnswerFacts& facts) override;
  void begin(SentEvents& out) override;
  void event(int choice, const ChatEvent& event, SentEvents& out) override;
  void end(const std::vector<ChatResult>& results, SentEvents& out) override;
  void failed(const ApiError& error, SentEvents& out) override;
  std::string whole(const std::vector<ChatAnswer>& answers) override;

 private:
  // Tokens whose text has not been said yet, or has no text: they go with the next of their kind, or with the end.
  struct Choice {
    std::string thinking, answer;                       // "{...},{...}"
    std::string experts;                                // likewise
    std::int64_t written = 0, thought = 0, cached = 0;  // tokens so far
  };

  // own: fields of ours beside OpenAI's, "\"experts\":[...]"; empty: none.
  std::string chunk(int choice, std::string_view delta, std::string_view logprobs, std::string_view finish,
                    std::string_view own = {}) const;
  std::string usage_so_far() const;
  std::string take_experts(Choice& state) const;
  void say(int choice, const std::string& delta, bool thinking, std::string_view finish, SentEvents& out);
  std::string take_logprobs(std::string& mine, std::string& other, bool thinking);
  std::string delta_of_text(std::string_view text, bool thinking) const;
  std::string whole_choice(int index, const ChatAnswer& answer) const;

  const OpenaiOptions options_;
  AnswerFacts facts_;
  std::string head_, tail_;  // of every chunk
  std::vector<Choice> choices_;
};

}  // namespace limpid

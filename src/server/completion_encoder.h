// Completions in OpenAI's legacy format: "text_completion", whole and streamed.
#pragma once

#include <string>
#include <vector>

#include "server/answer_encoder.h"
#include "server/openai_options.h"

namespace limpid {

class CompletionEncoder : public AnswerEncoder {
 public:
  explicit CompletionEncoder(const OpenaiOptions& options) : options_(options) {}
  void facts(const AnswerFacts& facts) override;
  void begin(SentEvents& out) override;
  void event(int choice, const ChatEvent& event, SentEvents& out) override;
  void end(const std::vector<ChatResult>& results, SentEvents& out) override;
  void failed(const ApiError& error, SentEvents& out) override;
  std::string whole(const std::vector<ChatAnswer>& answers) override;

 private:
  struct Choice {
    std::vector<ChatTokenInfo> tokens;  // not said yet
    std::size_t offset = 0;             // characters said
  };
  std::string choice_json(int choice, std::string_view text, const std::string& logprobs,
                          std::string_view finish) const;
  std::string logprobs_json(const std::vector<ChatTokenInfo>& tokens, std::size_t& offset) const;
  const std::string& prompt_of(int choice) const;

  const OpenaiOptions options_;
  AnswerFacts facts_;
  std::string head_, tail_;
  std::vector<Choice> choices_;
};

}  // namespace limpid

// AnswerRequest: what a request asks of a model, whatever wire format it came in. A parser of a format makes one
// (openai_chat_request.h, completion_request.h), answer() in answer.h runs it, an AnswerEncoder words what comes out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "chat/chat.h"

namespace limpid {

// What the request said about sampling; what it did not say is the model's own advice (ServedModelInfo::sampling).
struct SamplingWishes {
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
  std::optional<std::uint64_t> seed;  // none: a new one for each request
};

struct AnswerRequest {
  std::string model;   // as the request has it: said again in the answer
  std::string served;  // as ServedModels::lease takes it
  ChatRequest chat;    // all but what stands below
  SamplingWishes sampling;
  int choices = 1;                            // of each prompt
  std::optional<std::int64_t> max_tokens;     // none: default_max_tokens, and as the context has room
  std::int64_t default_max_tokens = 0;        // of the model's name; 0: the server's
  std::optional<std::int64_t> effort_budget;  // tokens of thinking that an effort stands for
  bool stream = false;
  bool resumable = false;  // goes on for a while when its stream breaks
  std::string user;        // user_id: scopes the cache within the account

  // The prompts, where it is not the messages of `chat`; what is longer than so many tokens need not be tokenized to its
  // end. On a worker's thread, once the model is there. Throws ApiError, Error.
  std::function<std::vector<ChatPrompt>(ChatEngine&, std::size_t most_tokens)> prompts;
  // What the answer is held to, for the model's format of tool calls; empty, or giving null: nothing. Compiled on the
  // threads for what takes long. Throws ApiError. grammar_key: a hash of all that it is made of but the format.
  std::function<std::shared_ptr<const Grammar>(ToolFormat)> grammar;
  std::string grammar_key;
};

}  // namespace limpid

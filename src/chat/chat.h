// ChatEngine: the seam of text and tokens. Messages in; thinking, answer, tool calls and usage out, as they come.
//
// A request becomes a prompt (prompt.h) and goes to the engine; each token's bytes go through the stream parser (whole
// characters, thinking | answer | tool call) and the stop strings. What comes out does not depend on how the engine
// batches or where tokens cut the text.
//
// Immutable after construction: submit() and the rest may be called from any thread. Events are delivered on the
// engine's thread, one request's in order.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/grammar.h"
#include "chat/prompt.h"
#include "engine/engine.h"
#include "text/stream_parser.h"
#include "text/tokenizer.h"

namespace limpid {

class NextTurn;

struct ChatRequest {
  PromptRequest prompt;                    // messages, tools, thinking on or off, a beginning to continue
  std::optional<std::string> raw;          // instead: this text, no template, no parsing of what comes out
  bool raw_special = false;                // control tokens in it count
  std::optional<int> thinking_budget;      // tokens
  std::optional<double> thinking_seconds;  // likewise in seconds; whichever is used up first
  Sampling sampling;
  int max_tokens = 0;                  // 0: as many as the context holds
  std::vector<std::string> stop;       // ends the answer where one appears in it (not in the thinking); it is not shown
  std::vector<std::int32_t> stop_ids;  // besides the model's own
  bool ignore_end = false;             // the model's own end tokens do not end it (benchmarks)
  std::string account, user;           // as Request's
  int priority = 0;                    // larger goes first
  bool use_cache = true;
  bool warm_next = false;       // after an answer with thinking the next turn's beginning is prefilled when nobody asks
  bool token_events = false;    // an event for each token, also without log-probabilities
  bool report_experts = false;  // token events with the experts chosen for each
  std::vector<std::shared_ptr<LogitRule>> rules;
  // What the answer must be (grammar.h); it is, unless max_tokens, a stop string or a stop id cuts it. The thinking is
  // free.
  std::shared_ptr<const Grammar> grammar;
};

// One token with its bytes: they may be a part of a character, and are empty for ids that have no text.
struct ChatToken {
  std::int32_t id = 0;
  std::string bytes;
  float logprob = 0;
};
struct ChatTokenInfo {
  ChatToken token;
  std::vector<ChatToken> alternatives;  // likeliest first
  std::int64_t position = 0;
  bool thinking = false, forced = false, end = false;
  int cached_tokens = 0;              // of the prompt: found in the cache
  std::vector<LayerExperts> experts;  // where ChatRequest::report_experts, of models that have some
};

enum class ChatFinish { stop, length, tool_calls, cancelled, error };
std::string_view name(ChatFinish finish);

struct ChatResult {
  ChatFinish finish = ChatFinish::stop;
  std::string stop_string;  // the one that ended it
  std::string error;
  Usage usage;
  double thinking_seconds = 0;  // first token -> end of the thinking
  std::uint64_t logits_hash = 0;
};

struct ChatEvent {
  enum class Kind {
    token,  // `token`; before the text that it brings. Only where asked for
    thinking,
    answer,               // `text`: whole characters
    call_begin,           // `call`: its name, id and index
    call_arguments,       // a piece of them, in `call.arguments`
    tool_call,            // `call`, all of it, when it is complete or the answer cut
    answer_was_thinking,  // there was a </think> without any <think>: what came as answer so far was thinking
    finished,             // `result`; once, last
  };
  Kind kind = Kind::answer;
  RequestId request = 0;
  std::string text;
  ToolCall call;
  ChatTokenInfo token;
  ChatResult result;
};
using ChatHandler =
    std::function<bool(const ChatEvent&)>;  // false: cancel. As for the engine's callbacks: quick, no blocking

// A whole answer, gathered from its events.
struct ChatAnswer {
  std::string thinking, answer;
  std::vector<ToolCall> calls;
  std::vector<ChatTokenInfo> tokens;  // every generated token, the one that ends it too
  ChatResult result;

  void add(const ChatEvent& event);
  std::vector<std::int32_t> ids() const;
};

class ChatEngine {
 public:
  // Engine and tokenizer must outlive it. end_ids: what ends an answer besides the tokenizer's own
  // (generation_config.json). Throws Error(input) where the template is wrong or the tokenizer knows more ids than the
  // model.
  ChatEngine(Engine& engine, const Tokenizer& tokenizer, const std::string& chat_template,
             std::vector<std::int32_t> end_ids = {});
  ~ChatEngine();

  // Throws Error as PromptBuilder::build and Engine::submit do.
  RequestId submit(ChatRequest request, ChatHandler handler);
  // With the prompt that prompt() made of it, or another one (fill in the middle): not built again.
  RequestId submit(ChatRequest request, const ChatPrompt& made, ChatHandler handler);
  void cancel(RequestId id) { engine_.cancel(id); }
  void stop_thinking(RequestId id) { engine_.stop_thinking(id); }

  // Waits until what ChatRequest::warm_next asked for is with the engine (tests; before a program ends).
  void settle_next_turns();

  ChatPrompt prompt(const ChatRequest& request) const;
  const PromptBuilder& builder() const { return builder_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  Engine& engine() const { return engine_; }
  // Made when it is first asked for, by a request with a grammar at the latest: some tenths of a second for a large
  // vocabulary.
  std::shared_ptr<const GrammarVocabulary> grammar_vocabulary() const;

  // submit() and wait; the handler, if any, gets the events as they come. Without Engine::start() it steps the engine
  // itself.
  ChatAnswer ask(ChatRequest request, ChatHandler handler = {});

 private:
  struct LazyVocabulary;

  ThinkingRule thinking_rule(const ChatRequest& request, const ChatPrompt& prompt) const;
  StreamParser::Options parser_options(const ChatRequest& request, const ChatPrompt& prompt) const;
  GrammarScope grammar_scope(const ChatRequest& request, const ChatPrompt& prompt) const;

  Engine& engine_;
  const Tokenizer& tokenizer_;
  const PromptBuilder builder_;
  std::vector<std::int32_t> end_ids_;
  std::vector<bool>
      shown_;  // by id: its bytes go to the parser (no control token, or one that marks thinking or tool calls)
  std::vector<std::int32_t> open_, close_, closing_;
  const std::unique_ptr<LazyVocabulary> vocabulary_;
  std::shared_ptr<NextTurn> next_turn_;  // null: this model does not think
};

}  // namespace limpid

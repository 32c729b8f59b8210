#include "chat/chat.h"

#include <algorithm>
#include <array>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "chat/chat_stream.h"
#include "chat/grammar_vocabulary.h"
#include "chat/next_turn.h"

namespace limpid {

namespace {

std::vector<bool> shown_tokens(const Tokenizer& tokenizer, ToolFormat format) {
  const ToolMarks marks = tool_marks(format);
  const std::array<std::string_view, 10> known{
      "<think>",           "</think>",        "<tool_call>",    "</tool_call>", "<|python_tag|>",
      marks.section_begin, marks.section_end, marks.call_begin, marks.call_end, marks.separator};
  std::vector<bool> shown(tokenizer.vocabulary_size());
  for (std::size_t id = 0; id < shown.size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    shown[id] = !tokenizer.is_special(token) || std::ranges::find(known, tokenizer.token_bytes(token)) != known.end();
  }
  return shown;
}

}  // namespace

std::string_view name(ChatFinish finish) {
  switch (finish) {
    case ChatFinish::stop:
      return "stop";
    case ChatFinish::length:
      return "length";
    case ChatFinish::tool_calls:
      return "tool_calls";
    case ChatFinish::cancelled:
      return "cancelled";
    case ChatFinish::error:
      return "error";
  }
  return "unknown";
}

void ChatAnswer::add(const ChatEvent& event) {
  switch (event.kind) {
    case ChatEvent::Kind::token:
      tokens.push_back(event.token);
      break;
    case ChatEvent::Kind::thinking:
      thinking += event.text;
      break;
    case ChatEvent::Kind::answer:
      answer += event.text;
      break;
    case ChatEvent::Kind::call_begin:
    case ChatEvent::Kind::call_arguments:  // tool_call has all of it
      break;
    case ChatEvent::Kind::tool_call:
      calls.push_back(event.call);
      break;
    case ChatEvent::Kind::answer_was_thinking:
      thinking = std::exchange(answer, {});
      break;
    case ChatEvent::Kind::finished:
      result = event.result;
      break;
  }
}

std::vector<std::int32_t> ChatAnswer::ids() const {
  std::vector<std::int32_t> out;
  for (const ChatTokenInfo& token : tokens) out.push_back(token.token.id);
  return out;
}

struct ChatEngine::LazyVocabulary {
  std::once_flag once;
  std::shared_ptr<const GrammarVocabulary> made;
};

std::shared_ptr<const GrammarVocabulary> ChatEngine::grammar_vocabulary() const {
  std::call_once(vocabulary_->once,
                 [this] { vocabulary_->made = std::make_shared<const GrammarVocabulary>(tokenizer_); });
  return vocabulary_->made;
}

ChatEngine::ChatEngine(Engine& engine, const Tokenizer& tokenizer, const std::string& chat_template,
                       std::vector<std::int32_t> end_ids)
    : engine_(engine),
      tokenizer_(tokenizer),
      builder_(tokenizer, chat_template),
      end_ids_(std::move(end_ids)),
      shown_(shown_tokens(tokenizer, builder_.chat_template().tool_format())),
      vocabulary_(std::make_unique<LazyVocabulary>()) {
  for (TokenId id : tokenizer.end_ids())
    if (std::ranges::find(end_ids_, id) == end_ids_.end()) end_ids_.push_back(id);
  if (!builder_.thinks()) return;
  EncodeOptions special;
  special.special = true;
  open_ = tokenizer.encode("<think>", special);
  close_ = tokenizer.encode("</think>", special);
  // As R1 writes it: the end of a line, the mark, an empty line. Encoded in pieces, so that the mark stands there
  // whatever merges.
  closing_ = tokenizer.encode("\n");
  closing_.insert(closing_.end(), close_.begin(), close_.end());
  const std::vector<TokenId> empty_line = tokenizer.encode("\n\n");
  closing_.insert(closing_.end(), empty_line.begin(), empty_line.end());
  next_turn_ = std::make_shared<NextTurn>(builder_, engine_);
}

ChatEngine::~ChatEngine() {
  if (next_turn_ != nullptr) next_turn_->stop();
}

void ChatEngine::settle_next_turns() {
  if (next_turn_ != nullptr) next_turn_->settle();
}

ChatPrompt ChatEngine::prompt(const ChatRequest& request) const {
  return request.raw ? builder_.raw(*request.raw, request.raw_special) : builder_.build(request.prompt);
}

ThinkingRule ChatEngine::thinking_rule(const ChatRequest& request, const ChatPrompt& prompt) const {
  ThinkingRule rule;
  if (request.raw || !builder_.thinks()) return rule;
  rule.open = open_;
  rule.close = close_;
  rule.closing = closing_;
  rule.inside = prompt.inside_thinking;
  rule.budget = request.thinking_budget;
  rule.seconds = request.thinking_seconds;
  return rule;
}

GrammarScope ChatEngine::grammar_scope(const ChatRequest& request, const ChatPrompt& prompt) const {
  GrammarScope scope;
  scope.end_ids = end_ids_;
  if (request.raw) return scope;
  if (request.prompt.start) scope.begun = request.prompt.start->answer;
  if (!builder_.thinks()) return scope;
  scope.open = open_;
  scope.close = close_;
  scope.inside_thinking = prompt.inside_thinking;
  scope.may_think = !prompt.inside_thinking && request.prompt.thinking != Thinking::off && !request.prompt.start &&
                    open_.size() == 1 && close_.size() == 1;
  return scope;
}

StreamParser::Options ChatEngine::parser_options(const ChatRequest& request, const ChatPrompt& prompt) const {
  StreamParser::Options options;
  if (request.raw) return options;
  options.thinks = builder_.thinks();
  options.starts_thinking = prompt.inside_thinking;
  if (!request.prompt.tools.is_null() && !request.prompt.tools.empty())
    options.tools = builder_.chat_template().tool_format();
  if (request.grammar) {
    // An answer that is JSON may hold the text of marks in its strings.
    const GrammarScope scope = grammar_scope(request, prompt);
    options.thinks = scope.inside_thinking || scope.may_think;
    if (!request.grammar->writes_calls()) options.tools = ToolFormat::none;
    if (request.grammar->writes_value()) {
      options.only_calls_or_text = true;
      if (!scope.begun.empty()) options.tools = ToolFormat::none;  // it is no call that was begun
    }
  }
  return options;
}

RequestId ChatEngine::submit(ChatRequest request, ChatHandler handler) {
  const ChatPrompt made = prompt(request);
  return submit(std::move(request), made, std::move(handler));
}

RequestId ChatEngine::submit(ChatRequest request, const ChatPrompt& made, ChatHandler handler) {
  if (request.warm_next && request.use_cache && !request.raw && next_turn_ != nullptr)
    handler = next_turn_->listen(request, std::move(handler));
  const StreamParser::Options options = parser_options(request, made);
  if (request.grammar)
    request.rules.push_back(grammar_rule(request.grammar, grammar_vocabulary(), grammar_scope(request, made)));
  auto stream = std::make_shared<ChatStream>(
      tokenizer_, shown_, options, StopStrings(request.stop),
      request.token_events || request.report_experts || request.sampling.logprobs >= 0, std::move(handler));
  Request asked;
  asked.prompt = made.ids;
  asked.sampling = std::move(request.sampling);
  asked.max_tokens = request.max_tokens;
  asked.stop_ids = std::move(request.stop_ids);
  if (!request.ignore_end) asked.stop_ids.insert(asked.stop_ids.end(), end_ids_.begin(), end_ids_.end());
  asked.thinking = thinking_rule(request, made);
  asked.rules = std::move(request.rules);
  asked.account = std::move(request.account);
  asked.user = std::move(request.user);
  asked.priority = request.priority;
  asked.report_experts = request.report_experts;
  asked.use_cache = request.use_cache;
  asked.on_token = [stream](const TokenEvent& event) { return stream->token(event); };
  asked.on_finished = [stream](const FinishedEvent& event) { stream->finished(event); };
  return engine_.submit(std::move(asked));
}

ChatAnswer ChatEngine::ask(ChatRequest request, ChatHandler handler) {
  struct State {  // shared: the engine's thread still holds it when this thread has seen the end
    ChatAnswer answer;
    std::promise<void> done;
    bool over = false;
    std::exception_ptr failure;  // of the handler: thrown to whoever asked
  };
  const auto state = std::make_shared<State>();
  std::future<void> finished = state->done.get_future();
  request.token_events = true;
  submit(std::move(request), [state, handler = std::move(handler)](const ChatEvent& event) {
    state->answer.add(event);
    bool wanted = true;
    try {
      wanted = !handler || state->failure || handler(event);
    } catch (...) {
      state->failure = std::current_exception();
    }
    wanted = wanted && !state->failure;
    if (event.kind == ChatEvent::Kind::finished) {
      state->over = true;
      state->done.set_value();
    }
    return wanted;
  });
  if (!engine_.started())
    while (!state->over && engine_.step()) {
    }
  finished.wait();
  if (state->failure) std::rethrow_exception(state->failure);
  return std::move(state->answer);
}

}  // namespace limpid

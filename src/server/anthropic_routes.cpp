#include "server/anthropic_routes.h"

#include <fmt/format.h>

#include "server/anthropic_encoder.h"
#include "server/anthropic_request.h"
#include "server/routes.h"

namespace limpid {

namespace {

// At DeepSeek's address programs that know Claude's names only are served too.
AnthropicRequest parse(const Answering& answering, const Call& call, bool counting) {
  const bool deepseek = call.request().path.starts_with("/anthropic/");
  return parse_anthropic(call.request().body, counting, served_ids(answering.models), nullptr,
                         deepseek ? ClaudeNames::the_default : ClaudeNames::unknown);
}

void messages(Answering& answering, Call& call) {
  AnthropicRequest request = parse(answering, call, false);
  auto encoder = std::make_unique<AnthropicEncoder>(request.options);
  answer(answering, call, std::move(request.answer), std::move(encoder), "msg_");
}

void count_tokens(const Answering& answering, Call& call) {
  const AnthropicRequest request = parse(answering, call, true);
  with_model(answering, call, request.answer.served, [call, chat = request.answer.chat](ModelLease& lease) {
    reply_json(call, fmt::format(R"({{"input_tokens":{}}})", lease.chat().prompt(chat).ids.size()));
  });
}

}  // namespace

void add_anthropic_routes(Router& router, Answering& answering) {
  Route create{"POST", "/v1/messages", [&answering](Call& call) { messages(answering, call); }, {}, false, "chat"};
  create.doc = {"createMessage",    "Answer a conversation (Anthropic's format)",
                "messages",         "AnthropicRequest",
                "AnthropicMessage", true};
  create.error_body = anthropic_error_body;
  create.computes = true;
  router.add(std::move(create), {"/anthropic/v1/messages"});

  Route count{
      "POST", "/v1/messages/count_tokens", [&answering](Call& call) { count_tokens(answering, call); }, {}, false,
      "chat"};
  count.doc = {"countMessageTokens", "Count the tokens of a prompt (Anthropic's format)", "messages",
               "AnthropicCountRequest", "AnthropicCount"};
  count.error_body = anthropic_error_body;
  count.computes = count.text = true;
  router.add(std::move(count), {"/anthropic/v1/messages/count_tokens"});
}

}  // namespace limpid

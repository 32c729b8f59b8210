#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/model_name.h"
#include "server/openai_chat_request.h"
#include "server/routes.h"
#include "server/text_request.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

std::string served_name(const Answering& answering, const std::string& model) {
  return model_name(model, served_ids(answering.models)).rules == ApiRules::own ? model : "default";
}

// {"content"} or {"messages"}: the ids that the model would read.
void tokenize(const Answering& answering, const Call& call) {
  const TokenizeRequest request = parse_tokenize(call.request().body);
  ChatRequest chat;
  if (request.messages) chat = parse_openai_chat(call.request().body, served_ids(answering.models)).answer.chat;
  with_model(answering, call, served_name(answering, request.model), [call, request, chat](ModelLease& lease) {
    const Tokenizer& tokenizer = lease.chat().tokenizer();
    std::vector<TokenId> ids;
    if (request.messages) {
      ids = lease.chat().prompt(chat).ids;
    } else {
      EncodeOptions options;
      options.special = request.parse_special;
      options.bos = request.add_special && tokenizer.add_bos();
      ids = tokenizer.encode(request.content, options);
    }
    Json out{{"tokens", Json::array()}, {"count", ids.size()}};
    for (const TokenId id : ids) {
      if (request.with_pieces)
        out["tokens"].push_back({{"id", id}, {"piece", tokenizer.token_bytes(id)}});
      else
        out["tokens"].push_back(id);
    }
    reply_json(call, json_text(out));
  });
}

void detokenize(const Answering& answering, const Call& call) {
  const DetokenizeRequest request = parse_detokenize(call.request().body);
  with_model(answering, call, served_name(answering, request.model), [call, request](ModelLease& lease) {
    const Tokenizer& tokenizer = lease.chat().tokenizer();
    const auto size = static_cast<std::int64_t>(tokenizer.vocabulary_size());
    std::vector<TokenId> ids;
    for (std::size_t i = 0; i < request.tokens.size(); ++i) {
      const std::int64_t id = request.tokens[i];
      const std::string name = fmt::format("tokens[{}]", i);
      if (id < 0 || id >= size)
        throw bad_parameter(fmt::format("{}: {} is no token id; this model has 0 to {}", name, id, size - 1), name);
      ids.push_back(static_cast<TokenId>(id));
    }
    reply_json(call, json_text({{"content", tokenizer.decode(ids)}}));
  });
}

// The prompt that the messages become.
void apply_template(const Answering& answering, const Call& call) {
  const OpenaiChatRequest request = parse_openai_chat(call.request().body, served_ids(answering.models));
  with_model(answering, call, request.answer.served, [call, chat = request.answer.chat](ModelLease& lease) {
    const ChatPrompt prompt = lease.chat().prompt(chat);
    reply_json(call, json_text({{"prompt", prompt.text}, {"tokens", prompt.ids.size()}}));
  });
}

}  // namespace

void add_text_routes(Router& router, Answering& answering) {
  const auto add = [&](const std::string& path, void (*handler)(const Answering&, const Call&), RouteDoc doc) {
    Route route{"POST", path};
    route.scope = "chat";
    route.computes = route.text = true;
    route.handler = [&answering, handler](Call& call) { handler(answering, call); };
    route.doc = std::move(doc);
    router.add(std::move(route), {"/v1" + path});
  };
  add("/tokenize", tokenize, {"tokenize", "Text or messages to token ids", "text", "TokenizeRequest", "Tokens"});
  add("/detokenize", detokenize, {"detokenize", "Token ids to text", "text", "DetokenizeRequest", "Content"});
  add("/apply-template", apply_template,
      {"applyTemplate", "The prompt that messages become", "text", "ChatRequest", "Prompt"});
}

}  // namespace limpid

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/model_name.h"
#include "server/openai_chat_request.h"
#include "server/openai_parts.h"
#include "server/request_fields.h"
#include "server/routes.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

std::shared_ptr<ModelLease> lease_of(const Answering& answering, const Call& call, RequestFields& fields) {
  const std::string name = fields.text("model").value_or("");
  const bool own = model_name(name, served_ids(answering.models)).rules == ApiRules::own;
  return lease_for(answering, call.identity, own ? name : "default");
}

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// {"content"} or {"messages"}: the ids that the model would read.
void tokenize(const Answering& answering, Call& call) {
  const Json body = parse_body(call.request().body);
  RequestFields fields(body, "");
  const std::shared_ptr<ModelLease> lease = lease_of(answering, call, fields);
  const Tokenizer& tokenizer = lease->chat().tokenizer();
  std::vector<TokenId> ids;
  if (fields.has("messages")) {
    const OpenaiChatRequest chat = parse_openai_chat(call.request().body, served_ids(answering.models));
    ids = lease->chat().prompt(chat.answer.chat).ids;
  } else {
    EncodeOptions options;
    options.special = fields.boolean("parse_special").value_or(false);
    options.bos = fields.boolean("add_special").value_or(false) && tokenizer.add_bos();
    ids = tokenizer.encode(fields.required_text("content"), options);
  }
  Json out{{"tokens", Json::array()}, {"count", ids.size()}};
  for (const TokenId id : ids) {
    if (fields.boolean("with_pieces").value_or(false))
      out["tokens"].push_back({{"id", id}, {"piece", tokenizer.token_bytes(id)}});
    else
      out["tokens"].push_back(id);
  }
  reply_json(call, text(out));
}

void detokenize(const Answering& answering, Call& call) {
  const Json body = parse_body(call.request().body);
  RequestFields fields(body, "");
  const std::shared_ptr<ModelLease> lease = lease_of(answering, call, fields);
  const Tokenizer& tokenizer = lease->chat().tokenizer();
  const auto size = static_cast<std::int64_t>(tokenizer.vocabulary_size());
  const Json& tokens = fields.required("tokens");
  if (!tokens.is_array()) fields.wrong_type("tokens", "a list of token ids", tokens);
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string name = fmt::format("tokens[{}]", i);
    if (!tokens[i].is_number_integer()) fields.wrong_type(name, "a token id", tokens[i]);
    const auto id = tokens[i].get<std::int64_t>();
    if (id < 0 || id >= size)
      throw bad_parameter(fmt::format("{}: {} is no token id; this model has 0 to {}", name, id, size - 1), name);
    ids.push_back(static_cast<TokenId>(id));
  }
  reply_json(call, text({{"content", tokenizer.decode(ids)}}));
}

// The prompt that the messages become.
void apply_template(const Answering& answering, Call& call) {
  const Json body = parse_body(call.request().body);
  RequestFields fields(body, "");
  const std::shared_ptr<ModelLease> lease = lease_of(answering, call, fields);
  const OpenaiChatRequest chat = parse_openai_chat(call.request().body, served_ids(answering.models));
  const ChatPrompt prompt = lease->chat().prompt(chat.answer.chat);
  reply_json(call, text({{"prompt", prompt.text}, {"tokens", prompt.ids.size()}}));
}

}  // namespace

void add_text_routes(Router& router, Answering& answering) {
  const auto add = [&](const std::string& path, void (*handler)(const Answering&, Call&), RouteDoc doc) {
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

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "server/openai_chat_encoder.h"
#include "server/openai_chat_request.h"
#include "server/openai_parts.h"
#include "server/request_fields.h"
#include "server/routes.h"

namespace limpid {

namespace {

std::shared_ptr<Generation> generation_of(const Answering& answering, const Call& call) {
  std::shared_ptr<Generation> found = answering.generations.find(call.parameters.at("id"), call.identity);
  if (found == nullptr) throw not_found("no answer of this id is under way", "unknown_answer");
  return found;
}

void chat(Answering& answering, Call& call) {
  OpenaiChatRequest request = parse_openai_chat(call.request().body, served_ids(answering.models));
  auto encoder = std::make_unique<OpenaiChatEncoder>(request.options);
  answer(answering, call, std::move(request.answer), std::move(encoder), "chatcmpl-");
}

void control(const Answering& answering, Call& call) {
  const nlohmann::ordered_json body = parse_body(call.request().body);
  RequestFields fields(body, "");
  fields.required("action");
  const std::string action = *fields.choice("action", {"stop_thinking", "cancel"});
  const std::shared_ptr<Generation> generation = generation_of(answering, call);
  bool done = true;
  if (action == "cancel")
    generation->cancel();
  else
    done = generation->stop_thinking();
  if (!done) throw ApiError(409, "invalid_request_error", "the answer has ended", {}, "answer_ended");
  reply_json(call, fmt::format(R"({{"id":{},"object":"chat.completion.control","action":"{}"}})",
                               json_string(generation->id()), action));
}

std::uint64_t last_event(const Call& call) {
  std::string text(call.request().header("Last-Event-ID"));
  if (text.empty()) text = call.query("last_event_id");
  if (text.empty()) return 0;
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size())
    throw bad_parameter("Last-Event-ID: expected a number", "Last-Event-ID");
  return id;
}

void resume(const Answering& answering, Call& call) {
  const std::uint64_t last = last_event(call);
  generation_of(answering, call)->resume(call.exchange, last);
}

}  // namespace

void reply_json(const Call& call, std::string json) {
  call.exchange->respond({200, {{"Content-Type", "application/json"}}, std::move(json)});
}

std::vector<std::string> without_version(const std::string& path) {
  const std::string rest = path.substr(std::string_view("/v1").size());
  return {rest, "/beta" + rest, "/beta/v1" + rest};
}

void add_chat_routes(Router& router, Answering& answering) {
  const std::string path = "/v1/chat/completions";
  Route create{"POST", path, [&answering](Call& call) { chat(answering, call); }, {}, false, "chat"};
  create.doc = {"createChatCompletion", "Answer a conversation", "chat", "ChatRequest", "ChatCompletion", true};
  create.computes = true;
  router.add(std::move(create), without_version(path));

  Route steer{"POST", path + "/{id}/control", [&answering](Call& call) { control(answering, call); }, {}, false,
              "chat"};
  steer.doc = {"controlChatCompletion", "Stop the thinking of an answer under way, or the answer", "chat",
               "ControlRequest", "Control"};
  router.add(std::move(steer), without_version(path + "/{id}/control"));

  Route again{"GET", path + "/{id}/stream", [&answering](Call& call) { resume(answering, call); }, {}, false, "chat"};
  again.doc = {"resumeChatCompletion",
               "Take up the broken stream of a resumable answer",
               "chat",
               "",
               "ChatCompletionChunk",
               true,
               "text/event-stream",
               {"last_event_id"}};
  router.add(std::move(again), without_version(path + "/{id}/stream"));
}

}  // namespace limpid

// POST /v1/chat/completions from body to bytes: over a scripted model, without a network.
#include "service_fixture.h"

namespace limpid {
namespace {

using ChatApi = ServiceFixture;

// What a stream's chunks of one choice say, put together.
struct Gathered {
  std::string reasoning, content, finish;
  std::vector<Json> logprobs, reasoning_logprobs, calls;
};
Gathered gather(const std::vector<Json>& chunks, int choice = 0) {
  Gathered out;
  for (const Json& chunk : chunks) {
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    for (const Json& one : chunk["choices"]) {
      if (one["index"] != choice) continue;
      const Json& delta = one["delta"];
      if (delta.contains("reasoning_content") && delta["reasoning_content"].is_string())
        out.reasoning += delta["reasoning_content"];
      if (delta.contains("content") && delta["content"].is_string()) out.content += delta["content"];
      if (delta.contains("tool_calls"))
        for (const Json& call : delta["tool_calls"]) out.calls.push_back(call);
      if (one["logprobs"].is_object()) {
        for (const Json& token : one["logprobs"]["content"]) out.logprobs.push_back(token);
        for (const Json& token : one["logprobs"]["reasoning_content"]) out.reasoning_logprobs.push_back(token);
      }
      if (one["finish_reason"].is_string()) out.finish = one["finish_reason"];
    }
  }
  return out;
}

TEST_F(ChatApi, AWholeAnswerHasItsThinkingApart) {
  const Json body = asks("Hi");
  say(body, "Hmm, 你好.\n</think>\n\nHello \"you\" 🌍!");
  const Json json = answer(kChatPath, body);
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(json["model"], "script");
  EXPECT_EQ(json["system_fingerprint"], "fp_test");
  ASSERT_EQ(json["choices"].size(), 1U);
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["reasoning_content"], "Hmm, 你好.");
  EXPECT_EQ(choice["message"]["content"], "Hello \"you\" 🌍!");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_TRUE(choice["logprobs"].is_null());
  const Json& usage = json["usage"];
  EXPECT_EQ(usage["prompt_tokens"], model_.prompt);
  EXPECT_EQ(usage["completion_tokens"], model_.script.size());
  EXPECT_EQ(usage["total_tokens"], model_.prompt + model_.script.size());
  EXPECT_EQ(usage["prompt_cache_hit_tokens"], 0);
  EXPECT_EQ(usage["prompt_cache_miss_tokens"], model_.prompt);
  EXPECT_EQ(usage["completion_tokens_details"]["reasoning_tokens"], 14U) << "12 bytes, a line's end, the mark";
}

TEST_F(ChatApi, AStreamSaysTheSameAsAWholeAnswer) {
  Json body = asks("Tell");
  say(body, "One\ntwo\n</think>\n\nDrei \\ \"vier\" \t 五\x01.");
  const Json whole = answer(kChatPath, body)["choices"][0];
  body["stream_options"]["include_usage"] = true;
  const std::vector<Json> chunks = stream(kChatPath, body);
  const Gathered said = gather(chunks);
  EXPECT_EQ(said.reasoning, whole["message"]["reasoning_content"].get<std::string>());
  EXPECT_EQ(said.content, whole["message"]["content"].get<std::string>());
  EXPECT_EQ(said.finish, "stop");
  EXPECT_EQ(chunks[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_TRUE(chunks.back()["choices"].empty());
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], model_.script.size());
  for (std::size_t i = 0; i + 1 < chunks.size(); ++i) {
    EXPECT_TRUE(chunks[i]["usage"].is_null() && chunks[i].contains("usage"));
    EXPECT_EQ(chunks[i]["id"], chunks[0]["id"]);
  }
}

TEST_F(ChatApi, TheUsageSoFarGrowsToTheUsageAtTheEnd) {
  Json body = asks("Tell");
  say(body, "One two</think>three four five");
  body["stream_options"] = {{"include_usage", true}, {"continuous_usage_stats", true}};
  const std::vector<Json> chunks = stream(kChatPath, body);
  const Json& last = chunks.back()["usage"];
  int before = 0, growing = 0;
  for (std::size_t i = 0; i + 1 < chunks.size(); ++i) {
    const Json& usage = chunks[i]["usage"];
    EXPECT_EQ(usage["prompt_tokens"], model_.prompt);
    EXPECT_EQ(usage["prompt_cache_hit_tokens"], last["prompt_cache_hit_tokens"]);
    EXPECT_GE(usage["completion_tokens"], before);
    growing += usage["completion_tokens"] > before;
    before = usage["completion_tokens"];
  }
  EXPECT_GT(growing, 3);
  EXPECT_EQ(before, last["completion_tokens"]);
  EXPECT_EQ(chunks[chunks.size() - 2]["usage"], last);
  // Without include_usage it changes nothing.
  body["stream_options"] = {{"continuous_usage_stats", true}};
  for (const Json& chunk : stream(kChatPath, body)) EXPECT_FALSE(chunk.contains("usage"));
}

TEST_F(ChatApi, WithoutIncludeUsageNoChunkHasOne) {
  const Json body = asks("Hi");
  say(body, "x</think>y");
  for (const Json& chunk : stream(kChatPath, body)) EXPECT_FALSE(chunk.contains("usage"));
}

TEST_F(ChatApi, SeveralChoicesEachHaveTheirIndexAndEnd) {
  Json body = asks("Hi");
  body["n"] = 3;
  say(body, "x</think>Same.");
  const Json json = answer(kChatPath, body);
  ASSERT_EQ(json["choices"].size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(json["choices"][i]["index"], i);
    EXPECT_EQ(json["choices"][i]["message"]["content"], "Same.");
  }
  EXPECT_EQ(json["usage"]["prompt_tokens"], model_.prompt) << "a prompt shared by choices counts once";
  EXPECT_EQ(json["usage"]["completion_tokens"], 3 * model_.script.size());
  const std::vector<Json> chunks = stream(kChatPath, body);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(gather(chunks, i).content, "Same.");
    EXPECT_EQ(gather(chunks, i).finish, "stop");
  }
}

TEST_F(ChatApi, StopStringsEndTheAnswerAndAreNotShown) {
  Json body = asks("Count");
  body["stop"] = Json::array({"four", "three"});
  say(body, "three is thought</think>one two three four", false);
  const Json choice = answer(kChatPath, body)["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "one two ");
  EXPECT_EQ(choice["finish_reason"], "stop");
  body["stop"] = "two";
  const Gathered said = gather(stream(kChatPath, body));
  EXPECT_EQ(said.content, "one ");
  EXPECT_EQ(said.finish, "stop");
}

TEST_F(ChatApi, MaxTokensEndItForLength) {
  for (const char* field : {"max_tokens", "max_completion_tokens"}) {
    Json body = asks("Talk");
    body[field] = 9;
    say(body, "x</think>abcdefghij");
    const Json json = answer(kChatPath, body);
    EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
    EXPECT_EQ(json["usage"]["completion_tokens"], 9);
    EXPECT_EQ(json["choices"][0]["message"]["content"], "abcdefg");
  }
}

TEST_F(ChatApi, LogprobsNameEveryTokenWithItsBytes) {
  Json body = asks("Hi");
  body["logprobs"] = true;
  body["top_logprobs"] = 2;
  say(body, "ab</think>é!");
  const Json whole = answer(kChatPath, body)["choices"][0]["logprobs"];
  ASSERT_EQ(whole["content"].size(), 3U) << "the token that ends it is not shown" << whole;
  EXPECT_EQ(whole["content"][0]["bytes"], Json::array({0xC3}));
  EXPECT_EQ(whole["content"][0]["token"], "\xEF\xBF\xBD");
  EXPECT_EQ(whole["content"][2]["token"], "!");
  EXPECT_EQ(whole["content"][2]["top_logprobs"].size(), 2U);
  EXPECT_EQ(whole["content"][2]["top_logprobs"][0]["token"], "!");
  EXPECT_NEAR(whole["content"][2]["logprob"].get<double>(), 0, 1e-6);
  ASSERT_EQ(whole["reasoning_content"].size(), 3U) << "a, b and the mark";
  const Gathered said = gather(stream(kChatPath, body));
  EXPECT_EQ(Json(said.logprobs), whole["content"]);
  EXPECT_EQ(Json(said.reasoning_logprobs), whole["reasoning_content"]);
}

TEST_F(ChatApi, DeepseekChatDoesNotThinkAndReasonerDoes) {
  Json body = asks("Hi");
  body["model"] = "deepseek-chat";
  say(body, "Plain.");
  const Json chat = answer(kChatPath, body);
  EXPECT_EQ(chat["model"], "deepseek-chat");
  EXPECT_EQ(chat["choices"][0]["message"]["content"], "Plain.");
  EXPECT_EQ(admission_->last_demand.most_completion_tokens,
            std::min<std::int64_t>(4096, 2048 - static_cast<std::int64_t>(model_.prompt)));
  body["model"] = "deepseek-reasoner";
  say(body, "Hm</think>Thought.");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["reasoning_content"], "Hm");
  body["model"] = "deepseek-chat";
  body["thinking"]["type"] = "enabled";
  say(body, "Hm</think>Thought.");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["reasoning_content"], "Hm");
  body["model"] = "script";
  body["thinking"]["type"] = "disabled";
  say(body, "Plain.");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"], "Plain.");
}

TEST_F(ChatApi, ABudgetOfThinkingIsKept) {
  Json body = asks("Think");
  body["thinking"]["budget_tokens"] = 4;
  say(body, "abcdefgh", false);
  body["max_tokens"] = 12;
  const Json json = answer(kChatPath, body);
  EXPECT_EQ(json["choices"][0]["message"]["reasoning_content"], "abcd");
}

TEST_F(ChatApi, APrefixIsContinuedAndNotSaidAgain) {
  Json body = asks("Sum?");
  body["messages"].push_back({{"role", "assistant"}, {"content", "The sum is "}, {"prefix", true}});
  say(body, "42.");
  EXPECT_EQ(answer("/beta/chat/completions", body)["choices"][0]["message"]["content"], "42.");
  const Json part = {{"type", "text"}, {"text", "The sum is "}};
  body["messages"][1]["content"] = Json::array({part});
  const PromptRequest parts = parse_openai_chat(body.dump(), {"script"}).answer.chat.prompt;
  EXPECT_TRUE(chat_->builder().build(parts).text.ends_with("</think>\n\nThe sum is ")) << "parts count like text";
  EXPECT_EQ(answer("/beta/chat/completions", body)["choices"][0]["message"]["content"], "42.");
  body["messages"][1]["content"] = Json::array({{{"type", "text"}, {"text", "Well,"}}, part});
  EXPECT_EQ(parse_openai_chat(body.dump(), {"script"}).answer.chat.prompt.start->answer, "Well,\nThe sum is ");
  body["messages"][1] = {{"role", "assistant"}, {"content", ""}, {"reasoning_content", "Edited: 40"}, {"prefix", true}};
  const PromptRequest prompt = parse_openai_chat(body.dump(), {"script"}).answer.chat.prompt;
  EXPECT_TRUE(chat_->builder().build(prompt).text.ends_with("<think>\nEdited: 40"));
  say(body, " + 2</think>42.");
  const Json message = answer("/beta/chat/completions", body)["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], "+ 2");
  EXPECT_EQ(message["content"], "42.");
}

TEST_F(ChatApi, EveryAcceptedRequestIsSettledOnce) {
  Json body = asks("Hi");
  say(body, "x</think>y");
  answer(kChatPath, body);
  stream(kChatPath, body);
  wait_until_over();
  std::lock_guard lock(admission_->mutex);
  ASSERT_EQ(admission_->settled.size(), 2U);
  for (const Consumption& one : admission_->settled) {
    EXPECT_EQ(one.prompt_tokens, static_cast<std::int64_t>(model_.prompt));
    EXPECT_EQ(one.completion_tokens, static_cast<std::int64_t>(model_.script.size()));
  }
  EXPECT_EQ(admission_->given_back, 0);
}

TEST_F(ChatApi, ChoicesOfAColdPromptHitNothing) {
  Json body = asks(std::string(300, 'p'));
  body["n"] = 4;
  say(body, "x</think>Same.");
  for (const bool streams : {false, true}) {
    body["user"] = streams ? "ann" : "bob";  // each reads it for the first time
    Json usage;
    if (streams) {
      body["stream_options"] = {{"include_usage", true}, {"continuous_usage_stats", true}};
      const std::vector<Json> chunks = stream(kChatPath, body);
      for (const Json& chunk : chunks) EXPECT_EQ(chunk["usage"]["prompt_cache_hit_tokens"], 0);
      usage = chunks.back()["usage"];
    } else {
      usage = answer(kChatPath, body)["usage"];
    }
    EXPECT_EQ(usage["prompt_tokens"], model_.prompt);
    EXPECT_EQ(usage["prompt_cache_hit_tokens"], 0) << "the first choice computed all of it";
    EXPECT_EQ(usage["prompt_cache_miss_tokens"], model_.prompt);
    wait_until_over();
    std::lock_guard lock(admission_->mutex);
    const Consumption charged = admission_->settled.back();
    EXPECT_EQ(charged.cached_tokens, 0);
    EXPECT_EQ(charged.prompt_tokens, static_cast<std::int64_t>(model_.prompt));
    EXPECT_EQ(charged.completion_tokens, static_cast<std::int64_t>(4 * model_.script.size()));
  }
}

TEST(UsageOf, EveryPromptCountsOnceAsFarAsItWasRead) {
  const auto result = [](int prompt, int cached, int written) {
    ChatResult out;
    out.usage.prompt_tokens = prompt;
    out.usage.cached_tokens = cached;
    out.usage.completion_tokens = written;
    return out;
  };
  // Two prompts with two choices each; of the second one nothing but a part of the prompt was computed.
  const AnswerUsage usage = usage_of({result(100, 10, 3), result(100, 64, 4), result(70, 64, 0), result(0, 0, 0)}, 2);
  EXPECT_EQ(usage.prompt_tokens, 170);
  EXPECT_EQ(usage.cached_tokens, 74);
  EXPECT_EQ(usage.completion_tokens, 7);
  EXPECT_EQ(usage_of({result(0, 0, 0), result(100, 64, 1)}, 1).prompt_tokens, 100);
  EXPECT_EQ(usage_of({}, 1).prompt_tokens, 0);
}

TEST_F(ChatApi, WhatIsCutOffIsChargedLikeWhatEnded) {
  Json body = asks(std::string(300, 'p'));
  body["thinking"]["type"] = "disabled";
  say(body, "y");
  answer(kChatPath, body);
  body["n"] = 2;
  answer(kChatPath, body);
  wait_until_over();
  std::lock_guard lock(admission_->mutex);
  const Consumption told = admission_->last_progress, charged = admission_->settled.back();
  EXPECT_GE(charged.cached_tokens, 256);
  EXPECT_EQ(told.cached_tokens, charged.cached_tokens) << "what a kill after the last token would charge";
  EXPECT_EQ(told.prompt_tokens, charged.prompt_tokens);
  EXPECT_EQ(told.completion_tokens, charged.completion_tokens);
}

TEST_F(ChatApi, WhatIsCancelledCostsWhatWasComputed) {
  Json body = asks(std::string(1500, 'p'));  // three steps
  say(body, "x</think>y");
  model_.microseconds = 100'000;
  const int before = model_.steps;
  const auto exchange = post(kChatPath, body);
  while (model_.steps == before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  exchange->leave();
  model_.microseconds = 0;
  wait_until_over();
  std::lock_guard lock(admission_->mutex);
  ASSERT_EQ(admission_->settled.size(), 1U);
  EXPECT_GT(admission_->settled[0].prompt_tokens, 0);
  EXPECT_LT(admission_->settled[0].prompt_tokens, 1500);
  EXPECT_EQ(admission_->settled[0].completion_tokens, 0);
}

TEST_F(ChatApi, WhatIsCancelledWhileItWaitsCostsNothing) {
  Json body = asks("Talk");
  body["stream"] = true;
  say(body, "x</think>" + std::string(1500, 'y'), false);
  model_.microseconds = 3000;
  std::vector<std::shared_ptr<FakeExchange>> running;
  for (int i = 0; i < 64; ++i) running.push_back(post(kChatPath, body));
  while (engine_->statistics().running < 64) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto leaves = post(kChatPath, body), steered = post(kChatPath, body);
  while (engine_->statistics().waiting < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const std::string said = steered->body(),
                    id = said.substr(said.find("chatcmpl-"), said.find("\",\"object") - said.find("chatcmpl-"));
  leaves->leave();
  EXPECT_EQ(post(std::string(kChatPath) + "/" + id + "/control", {{"action", "cancel"}})->status(), 200);
  EXPECT_TRUE(steered->wait());
  while (engine_->statistics().waiting > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  service_->generations().flush();
  EXPECT_EQ(admission_->given_back, 2);
  {
    std::lock_guard lock(admission_->mutex);
    EXPECT_TRUE(admission_->settled.empty());
  }
  for (const auto& one : running)  // who is ended in the middle of his prompt pays a part of it
    EXPECT_TRUE(one->wait_for_text("\"content\":\"y"));
  service_->generations().cancel_all();  // as after the drain
  model_.microseconds = 0;
  wait_until_over();
  std::lock_guard lock(admission_->mutex);
  EXPECT_EQ(admission_->settled.size(), 64U);
  for (const Consumption& one : admission_->settled)
    EXPECT_EQ(one.prompt_tokens, static_cast<std::int64_t>(model_.prompt));
}

// The server's own default is no reason to refuse.
TEST_F(ChatApi, WithoutMaxTokensItTakesWhatThereIs) {
  Json body = asks("Hi");
  say(body, "x</think>y");
  body["n"] = 4;
  answer(kChatPath, body);
  EXPECT_EQ(admission_->last_demand.most_completion_tokens, 4 * (2048 - static_cast<std::int64_t>(model_.prompt)));
  admission_->context = 200;
  answer(kChatPath, body);
  const Demand demand = admission_->last_demand;
  EXPECT_LE(demand.prompt_tokens + demand.most_completion_tokens, 200);
  EXPECT_GT(demand.prompt_tokens + demand.most_completion_tokens, 200 - 4) << "all of it, shared out evenly";
  admission_->afforded = 41;
  answer(kChatPath, body);
  EXPECT_EQ(admission_->last_demand.most_completion_tokens, 40);
  admission_->afforded = 0;
  answer(kChatPath, body);
  EXPECT_EQ(admission_->last_demand.most_completion_tokens, 4) << "admit() refuses it, and says why";
  body["max_tokens"] = 30;
  answer(kChatPath, body);
  EXPECT_EQ(admission_->last_demand.most_completion_tokens, 120) << "what was asked for is asked for";
}

TEST_F(ChatApi, ABudgetOfSecondsIsKept) {
  Json body = asks("Think");
  body["thinking"]["budget_seconds"] = 0.05;
  body["max_tokens"] = 200;
  say(body, std::string(150, 't'), false);
  model_.microseconds = 5000;
  const std::string thought = answer(kChatPath, body)["choices"][0]["message"]["reasoning_content"];
  EXPECT_GT(thought.size(), 0U);
  EXPECT_LT(thought.size(), 100U);
}

TEST_F(ChatApi, ThePrefixIsFoundAgainByWhomItBelongsTo) {
  Json body = asks(std::string(300, 'p'));
  body["user"] = "ann";
  body["thinking"]["type"] = "disabled";
  say(body, "y");
  EXPECT_EQ(answer(kChatPath, body)["usage"]["prompt_cache_hit_tokens"], 0);
  const Json again = answer(kChatPath, body)["usage"];
  EXPECT_GE(again["prompt_cache_hit_tokens"], 256);
  EXPECT_EQ(again["prompt_cache_hit_tokens"], again["prompt_tokens_details"]["cached_tokens"]);
  EXPECT_EQ(again["prompt_cache_hit_tokens"].get<int>() + again["prompt_cache_miss_tokens"].get<int>(),
            again["prompt_tokens"].get<int>());
  body["user"] = "bob";
  EXPECT_EQ(answer(kChatPath, body)["usage"]["prompt_cache_hit_tokens"], 0) << "nobody learns what another one asked";
}

TEST_F(ChatApi, TheContextOfATierIsKept) {
  admission_->context = 40;
  Json body = asks(std::string(100, 'p'));
  EXPECT_EQ(answer(kChatPath, body, 400)["error"]["code"], "context_length_exceeded");
  body = asks("Hi");
  say(body, "x</think>" + std::string(100, 'y'));
  const Json json = answer(kChatPath, body);
  EXPECT_EQ(json["usage"]["total_tokens"], 40);
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
}

TEST_F(ChatApi, WhoGoesAwayIsCancelledWithinAStep) {
  for (const bool streams : {true, false}) {
    Json body = asks("Talk");
    body["stream"] = streams;
    say(body, "x</think>" + std::string(1500, 'y'), false);
    model_.microseconds = 2000;
    const auto exchange = post(kChatPath, body);
    if (streams)
      exchange->wait_for_text(R"("content":"y")");
    else
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    exchange->leave();
    const int steps = model_.steps;
    while (engine_->statistics().running > 0 || engine_->statistics().waiting > 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_LE(model_.steps - steps, 3);
    model_.microseconds = 0;
    wait_until_over();
    std::lock_guard lock(admission_->mutex);
    ASSERT_EQ(admission_->settled.size(), streams ? 1U : 2U) << "what was computed is charged";
    EXPECT_GT(admission_->settled.back().completion_tokens, 0);
    EXPECT_LT(admission_->settled.back().completion_tokens, 1400);
  }
}

TEST_F(ChatApi, SixtyFourAtOnceEachGetTheirOwn) {
  const Json body = asks("Hi");
  say(body, "mm</think>" + std::string(60, 'z'));
  std::vector<std::shared_ptr<FakeExchange>> all;
  Json streamed = body;
  streamed["stream"] = true;
  for (int i = 0; i < 64; ++i) all.push_back(post(kChatPath, i % 2 == 0 ? body : streamed));
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_TRUE(all[i]->wait());
    const std::string content = i % 2 == 0
                                    ? Json::parse(all[i]->body())["choices"][0]["message"]["content"].get<std::string>()
                                    : gather(events(all[i]->body())).content;
    EXPECT_EQ(content, std::string(60, 'z'));
  }
  EXPECT_LT(engine_->statistics().steps, 64U * 60U) << "computed together";
}

TEST_F(ChatApi, AFailureOfTheEngineTellsNothingOfItsInside) {
  Json body = asks("Hi");
  body["logit_bias"] = {{"1", -100}};
  for (int id = 0; id < 400; ++id) body["logit_bias"][std::to_string(id)] = -100;
  say(body, "x</think>y");
  const Json json = answer(kChatPath, body, 500);
  EXPECT_EQ(json["error"]["type"], "server_error");
  EXPECT_NE(json["error"]["message"].get<std::string>().find("req_"), std::string::npos);
  EXPECT_EQ(json.dump().find("no token to choose"), std::string::npos);
  std::lock_guard lock(mutex_);
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_NE(errors_[0].find("no token to choose"), std::string::npos);
}

}  // namespace
}  // namespace limpid

// POST /v1/completions: texts, ids, several prompts, echo, log-probabilities, fill in the middle.
#include "server/completion_request.h"
#include "server/fill_in_middle.h"
#include "service_fixture.h"

namespace limpid {
namespace {

const char* const kCompletionsPath = "/v1/completions";

class Completions : public ServiceFixture {
 protected:
  void script(std::size_t prompt_tokens, const std::string& text) {
    model_.script = tokenizer_->encode(text);
    model_.script.push_back(kEnd);
    model_.prompt = prompt_tokens;
  }
};

TEST_F(Completions, ATextGoesOnWithoutATemplate) {
  script(4, "the end");
  const Json json = answer(kCompletionsPath, {{"prompt", "This"}});
  EXPECT_EQ(json["object"], "text_completion");
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("cmpl-"));
  EXPECT_EQ(json["choices"][0]["text"], "the end");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(admission_->last_demand.most_completion_tokens, 16) << "OpenAI's default";
}

TEST_F(Completions, ThinkMarksAreText) {
  script(1, "<think>x</think>y");
  EXPECT_EQ(answer(kCompletionsPath, {{"prompt", "a"}, {"max_tokens", 100}})["choices"][0]["text"],
            "<think>x</think>y");
}

TEST_F(Completions, AStreamSaysTheSame) {
  script(4, "the end 五");
  std::string text;
  const std::vector<Json> chunks =
      stream(kCompletionsPath, {{"prompt", "This"}, {"stream_options", {{"include_usage", true}}}});
  for (const Json& chunk : chunks)
    for (const Json& choice : chunk["choices"]) text += choice["text"].get<std::string>();
  EXPECT_EQ(text, "the end 五");
  EXPECT_EQ(chunks.back()["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(chunks[chunks.size() - 2]["choices"][0]["finish_reason"], "stop");
}

TEST_F(Completions, PromptsComeAsListsAndAsIds) {
  script(2, "z");
  const Json both = answer(kCompletionsPath, {{"prompt", {"ab", "cd"}}, {"n", 2}, {"echo", true}});
  ASSERT_EQ(both["choices"].size(), 4U);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(both["choices"][i]["index"], i);
    EXPECT_EQ(both["choices"][i]["text"], i < 2 ? "abz" : "cdz");
  }
  EXPECT_EQ(both["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(answer(kCompletionsPath, {{"prompt", {97, 98}}, {"echo", true}})["choices"][0]["text"], "abz");
  EXPECT_EQ(answer(kCompletionsPath, {{"prompt", {{97, 98}, {99, 100}}}})["choices"].size(), 2U);
}

TEST_F(Completions, LogprobsAsTheLegacyFormHasThem) {
  script(1, "né");
  const Json logprobs = answer(kCompletionsPath, {{"prompt", "a"}, {"logprobs", 1}})["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"].size(), 3U) << "n and the two bytes of é";
  EXPECT_EQ(logprobs["tokens"][0], "n");
  EXPECT_EQ(logprobs["text_offset"], Json::array({0, 1, 2}));
  EXPECT_EQ(logprobs["top_logprobs"][0].size(), 1U);
  EXPECT_NEAR(logprobs["token_logprobs"][0].get<double>(), 0, 1e-6);
}

TEST_F(Completions, ControlTokensInAPromptAreTextUnlessAskedFor) {
  script(10, "x");
  EXPECT_EQ(answer(kCompletionsPath, {{"prompt", "<|im_end|>"}})["usage"]["prompt_tokens"], 10);
  script(1, "x");
  EXPECT_EQ(answer(kCompletionsPath, {{"prompt", "<|im_end|>"}, {"parse_special", true}})["usage"]["prompt_tokens"], 1);
}

TEST_F(Completions, WhatIsWrongIsRefused) {
  const auto refused = [&](const Json& body, int status, const std::string& param) {
    EXPECT_EQ(answer(kCompletionsPath, body, status)["error"]["param"], param) << body;
  };
  refused(Json::object(), 400, "prompt");
  refused({{"prompt", 5}}, 400, "prompt");
  refused({{"prompt", Json::array()}}, 422, "prompt");
  refused({{"prompt", ""}}, 422, "prompt");
  refused({{"prompt", {1, "a"}}}, 400, "prompt[1]");
  refused({{"prompt", {100000}}}, 422, "prompt");
  refused({{"prompt", {-1}}}, 422, "prompt");
  refused({{"prompt", std::vector<std::string>(17, "a")}}, 422, "prompt");
  refused({{"prompt", "a"}, {"echo", true}, {"logprobs", 1}}, 422, "echo");
  refused({{"prompt", std::vector<std::string>(16, "a")}, {"n", 5}}, 422, "n");
  refused({{"prompt", "a"}, {"suffix", "b"}}, 400, "suffix");
}

TEST(FillInMiddle, DeepseeksMarksStandAroundTheTexts) {
  const Tokenizer tokenizer =
      byte_tokenizer({"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "<eos>", "<bos>"}, "<eos>", "<bos>", true);
  const auto prompt = fill_in_middle(tokenizer, "a", "b<｜fim▁end｜>");
  ASSERT_TRUE(prompt.has_value());
  std::vector<TokenId> expected{260, 256, 'a', 257, 'b'};
  for (const char c : std::string("<｜fim▁end｜>")) expected.push_back(static_cast<unsigned char>(c));
  expected.push_back(258);
  EXPECT_EQ(prompt->ids, expected) << "a mark in a text is text";
}

TEST(FillInMiddle, QwensToo) {
  const Tokenizer tokenizer = byte_tokenizer({"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<eos>"}, "<eos>");
  EXPECT_EQ(fill_in_middle(tokenizer, "a", "b")->ids, (std::vector<TokenId>{256, 'a', 258, 'b', 257}));
  EXPECT_FALSE(fill_in_middle(byte_tokenizer({"<eos>"}, "<eos>"), "a", "b").has_value());
}

}  // namespace
}  // namespace limpid

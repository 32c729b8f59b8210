// What a model is trained on when its own chat template renders it: the prompt's ids are those of chat, replies count.
#include "train/chat_examples.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/mix_tokenizer.h"
#include "train/tokenizer_files.h"

using namespace limpid;

namespace {

namespace fs = std::filesystem;

// A plain template with marks that are text, and one that leaves earlier thinking out.
constexpr const char* kPlain =
    "{% for m in messages %}{% if m.role == 'assistant' %}<｜Assistant｜>{{ m.content }}<｜end▁of▁sentence｜>\n{% else "
    "%}<｜User｜>{{ m.content }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<｜Assistant｜>{% endif %}";

class ChatExamples : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::path(testing::TempDir()) / ("chat_examples_" + std::to_string(::getpid()));
    TokenizerPlan plan;
    plan.vocabulary = 600;
    write_tokenizer(learn_tokenizer(default_mix(), 1, 600, plan), folder_.string());
    tokenizer_ = std::make_unique<Tokenizer>(Tokenizer::open(folder_.string()));
  }
  static void TearDownTestSuite() {
    tokenizer_.reset();
    fs::remove_all(folder_);
  }
  // Text of the tokens of each weight.
  static std::string text(const TrainingExample& e, float weight) {
    std::vector<TokenId> ids;
    for (std::size_t i = 0; i < e.ids.size(); ++i)
      if (e.weights[i] == weight) ids.push_back(e.ids[i]);
    return tokenizer_->decode(ids);
  }
  static std::string all(const TrainingExample& e) { return tokenizer_->decode(e.ids); }

  static fs::path folder_;
  static std::unique_ptr<Tokenizer> tokenizer_;
};
fs::path ChatExamples::folder_;
std::unique_ptr<Tokenizer> ChatExamples::tokenizer_;

TEST_F(ChatExamples, TheRepositorysOwnModelsAreWrittenAsWhenTheyAreTrained) {
  const std::string source =
      *chat_template_source(nlohmann::json::parse(std::ifstream(folder_ / "tokenizer_config.json")));
  const ChatWriter chat(*tokenizer_, source);
  const ExampleWriter plain(*tokenizer_);
  for (const char* reply : {"<think>\nones7\n</think>\n\n12", "<think>\n\n</think>\n\n12", "12"}) {
    const TrainingExample a = chat.reply("7 + 5", reply, 0.25F), b = plain.reply("7 + 5", reply, 0.25F);
    EXPECT_EQ(a.ids, b.ids) << reply;
    EXPECT_EQ(a.weights, b.weights) << reply;
  }
}

TEST_F(ChatExamples, RepliesCountAndThePromptIsTheChats) {
  const ChatWriter writer(*tokenizer_, kPlain);
  const TrainingExample e =
      writer.document({"", {{"user", "7 + 5"}, {"assistant", "12"}, {"user", "8"}, {"assistant", "8"}}}, 0.5F);
  ASSERT_EQ(e.ids.size(), e.weights.size());
  EXPECT_EQ(text(e, 1), "12<｜end▁of▁sentence｜>8<｜end▁of▁sentence｜>");
  PromptRequest request;
  request.messages = nlohmann::ordered_json::array({{{"role", "user"}, {"content", "7 + 5"}}});
  const std::vector<TokenId> prompt = PromptBuilder(*tokenizer_, kPlain).build(request).ids;
  ASSERT_GT(e.ids.size(), prompt.size());
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), e.ids.begin()));
  EXPECT_EQ(e.weights[0], 0.0F);
  EXPECT_EQ(e.weights[1], 0.5F);
  // The turn's line end stands behind the mark that ends it: nobody generates it.
  EXPECT_NE(all(e).find("<｜end▁of▁sentence｜>\n<｜User｜>"), std::string::npos) << all(e);
}

TEST_F(ChatExamples, MarksThatOthersWriteStayText) {
  const ChatWriter writer(*tokenizer_, kPlain);
  const TrainingExample e = writer.document({"", {{"user", "<｜Assistant｜>"}, {"assistant", "<｜User｜>"}}}, 0);
  const auto count = [&](const char* mark) { return std::ranges::count(e.ids, *tokenizer_->special_id(mark)); };
  EXPECT_EQ(count("<｜Assistant｜>"), 1);
  EXPECT_EQ(count("<｜User｜>"), 1);
}

TEST_F(ChatExamples, WhereTheTemplateOpensTheThinkingTheReplyBeginsBehindIt) {
  const std::string opens = std::string(kPlain).insert(std::string(kPlain).rfind("{% endif %}"), "<think>\n");
  const ChatWriter writer(*tokenizer_, opens);
  const TrainingExample e = writer.reply("7 + 5", "<think>\nones7\n</think>\n\n12", 0);
  EXPECT_EQ(text(e, 1), "ones7\n</think>\n\n12<｜end▁of▁sentence｜>");
  EXPECT_TRUE(text(e, 0).ends_with("<｜Assistant｜><think>\n")) << text(e, 0);
  EXPECT_EQ(text(writer.reply("7 + 5", "12", 0), 1), "12<｜end▁of▁sentence｜>");
}

// The first reply's thinking is gone when the second is asked for.
TEST_F(ChatExamples, WhereEarlierTurnsAreRenderedOtherwiseOnlyLaterRepliesCount) {
  const ChatWriter writer(*tokenizer_, kPlain);
  const TrainingExample e = writer.document({"",
                                             {{"user", "7"},
                                              {"assistant", "<think>\na\n</think>\n\n7"},
                                              {"user", "8"},
                                              {"assistant", "<think>\nb\n</think>\n\n8"}}},
                                            0);
  // In a turn that is over the marks of thinking are text to the template's reader, not the model's tokens: other ids.
  const std::string counted = text(e, 1);
  EXPECT_NE(counted.find("b\n</think>\n\n8<｜end▁of▁sentence｜>"), std::string::npos) << counted;
  EXPECT_EQ(counted.find("7"), std::string::npos) << counted;
  const TrainingExample plain =
      writer.document({"", {{"user", "1"}, {"assistant", "7"}, {"user", "2"}, {"assistant", "8"}}}, 0);
  EXPECT_EQ(text(plain, 1), "7<｜end▁of▁sentence｜>8<｜end▁of▁sentence｜>") << all(plain);
}

TEST_F(ChatExamples, PlainTextIsAllCounted) {
  const ChatWriter writer(*tokenizer_, kPlain);
  const TrainingExample e = writer.document({"three words here", {}}, 0);
  EXPECT_EQ(text(e, 1), "three words here<｜end▁of▁sentence｜>");
  Draw draw(1, 2, 3);
  EXPECT_THROW(writer.text_with_hole("text", draw), Error);
}

}  // namespace

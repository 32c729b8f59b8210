// Tokenizer training: deterministic, ids as Hugging Face gives them for the same files, the same from a GGUF.
#include "train/tokenizer_trainer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/gguf_writer.h"
#include "tests/train/trained_tokenizer.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/data_example.h"
#include "train/mix_tokenizer.h"
#include "train/tokenizer_files.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

// As tests/train/make_tokenizer_goldens.py has it made.
const TrainedTokenizer& trained() {
  static const TrainedTokenizer tokenizer = [] {
    TokenizerPlan plan;
    plan.vocabulary = 800;
    return learn_tokenizer(default_mix(), 7, 4000, plan);
  }();
  return tokenizer;
}

std::string scratch(const std::string& name) {
  return (std::filesystem::temp_directory_path() / ("limpid-" + std::to_string(getpid()) + "-" + name)).string();
}

Tokenizer from_gguf(const TrainedTokenizer& t) {
  const std::string path = scratch("tokenizer.gguf");
  GgufWriter out(path);
  out.set("general.architecture", "llama");
  set_tokenizer_keys(out, t);
  out.finish();
  Tokenizer tokenizer = Tokenizer::open(path);
  std::filesystem::remove(path);
  return tokenizer;
}

Json goldens() {
  std::ifstream file(TEST_DATA "/tokenizer_goldens.json");
  return Json::parse(file);
}

TEST(TokenizerTraining, LearnsPairsByFrequency) {
  TokenizerTrainer trainer;
  for (int i = 0; i < 10; ++i) trainer.add(" low");
  for (int i = 0; i < 6; ++i) trainer.add(" lower");
  for (int i = 0; i < 3; ++i) trainer.add(" new");
  TokenizerPlan plan;
  plan.vocabulary = 266 + 6;
  const TrainedTokenizer t = trainer.train(plan);
  std::vector<std::string> learned(t.tokens.begin() + 259,
                                   t.tokens.begin() + static_cast<std::ptrdiff_t>(t.first_mark()));
  // " l", "lo" and "ow" occur 16 times: the smaller left id decides; the space stands behind the letters, new tokens last.
  EXPECT_EQ(learned, (std::vector<std::string>{"lo", " lo", " low", "er", " lower", "ew"}));
  EXPECT_EQ(t.tokens.size(), plan.vocabulary);
}

TEST(TokenizerTraining, CharactersComeFirstAndWhole) {
  TokenizerTrainer trainer;
  for (int i = 0; i < 20; ++i) trainer.add("小明比小红高，多少？");
  trainer.add("罕");  // too rare for a token
  TokenizerPlan plan;
  plan.vocabulary = 282;
  const TrainedTokenizer t = trainer.train(plan);
  EXPECT_EQ(t.characters, 9u);
  const Tokenizer tokenizer = from_json(t);
  EXPECT_EQ(tokenizer.encode("小明比小红").size(), 5u);  // ideographs are never joined
  EXPECT_EQ(tokenizer.encode("罕").size(), 3u);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("小罕明")), "小罕明");
}

TEST(TokenizerTraining, SaysWhatDoesNotFit) {
  TokenizerTrainer trainer;
  for (int i = 0; i < 20; ++i) trainer.add("加减乘");
  TokenizerPlan plan;
  plan.vocabulary = 100;
  EXPECT_THROW(trainer.train(plan), Error);
  plan.vocabulary = 268;  // room for two merges, the three characters need six
  EXPECT_THROW(trainer.train(plan), Error);
  plan.vocabulary = 1000;  // more than there are pairs
  EXPECT_THROW(trainer.train(plan), Error);
}

TEST(TokenizerTraining, IsTheSameWhateverTheOrder) {
  const auto train = [](bool backwards) {
    TokenizerTrainer trainer;
    for (int i = 0; i < 500; ++i)
      trainer.add(mixed_sample(default_mix(), Split::train, 1, static_cast<std::uint64_t>(backwards ? 499 - i : i))
                      .sample.thinking);
    TokenizerPlan plan;
    plan.vocabulary = 400;
    return tokenizer_json(trainer.train(plan));
  };
  EXPECT_EQ(train(false), train(true));
}

TEST(TokenizerTraining, NoTokenHoldsADigitAndMore) {
  for (std::size_t id = 259; id < trained().first_mark(); ++id) {
    EXPECT_EQ(trained().tokens[id].find_first_of("0123456789"), std::string::npos) << trained().tokens[id];
  }
  EXPECT_EQ(from_json(trained()).encode("1234567").size(), 7u);
}

TEST(TokenizerTraining, WordsOfTheThinkingAreOneToken) {
  const Tokenizer tokenizer = from_json(trained());
  for (const char* word : {" ones", " tens", " hundreds", " thousands", "个", "十", "百", "千", "万", " true", " false",
                           " no", "否", " first"}) {
    EXPECT_EQ(tokenizer.encode(word).size(), 1u) << word;
  }
}

TEST(TokenizerTraining, IdsAreHuggingFaces) {
  const Tokenizer tokenizer = from_json(trained()), gguf = from_gguf(trained());
  const Json golden = goldens();
  EXPECT_GT(golden["texts"].size(), 100u);
  for (const Json& entry : golden["texts"]) {
    const std::string text = entry["text"].get<std::string>();
    const auto ids = entry["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(tokenizer.encode(text, {.special = true}), ids) << text;
    EXPECT_EQ(gguf.encode(text, {.special = true}), ids) << text;  // V3's own rule, digits in threes
    EXPECT_EQ(tokenizer.decode(ids), text);
  }
}

TEST(TokenizerTraining, TheFilesSayWhatTheMarksAre) {
  for (const Tokenizer& tokenizer : {from_json(trained()), from_gguf(trained())}) {
    EXPECT_EQ(tokenizer.bos(), 0);
    EXPECT_EQ(tokenizer.eos(), 1);
    EXPECT_EQ(tokenizer.pad(), 2);
    EXPECT_TRUE(tokenizer.add_bos());
    EXPECT_EQ(tokenizer.vocabulary_size(), 800u);
    EXPECT_EQ(tokenizer.special_id("<think>"), 793);
    EXPECT_EQ(tokenizer.special_id("<｜Assistant｜>"), 799);
    // A user cannot end his turn.
    EXPECT_GT(tokenizer.encode("<｜Assistant｜>").size(), 1u);
  }
}

TEST(TokenizerTraining, TheTemplateRendersAsInTransformers) {
  const Json config = Json::parse(tokenizer_config_json(trained()));
  const ChatTemplate chat(
      config["chat_template"].get<std::string>(),
      {{"bos_token", config["bos_token"].get<std::string>()}, {"eos_token", config["eos_token"].get<std::string>()}});
  EXPECT_TRUE(chat.thinks());
  EXPECT_TRUE(chat.has_thinking_switch());
  const Json all = goldens();
  for (const Json& entry : all["conversations"]) {
    RenderOptions options;
    options.thinking = Thinking::as_template;
    Json variables = nullptr;
    if (!entry["enable_thinking"].is_null()) variables = {{"enable_thinking", entry["enable_thinking"]}};
    EXPECT_EQ(chat.render(entry["messages"], nullptr, variables, options).text, entry["text"].get<std::string>());
  }
}

TEST(DataExample, WeighsPromptAndReply) {
  const Tokenizer tokenizer = from_json(trained());
  const ExampleWriter writer(tokenizer);
  const TrainingExample example = writer.reply("3+4", "<think>\n\n</think>\n\n7", 0.25f);
  EXPECT_EQ(tokenizer.decode(example.ids),
            "<｜begin▁of▁sentence｜><｜User｜>3+4<｜Assistant｜><think>\n\n</think>\n\n7<｜end▁of▁sentence｜>");
  ASSERT_EQ(example.ids.size(), example.weights.size());
  const std::vector<TokenId> prompt = writer.prompt("3+4");
  ASSERT_TRUE(std::equal(prompt.begin(), prompt.end(), example.ids.begin()));
  EXPECT_EQ(example.weights[0], 0);
  for (std::size_t i = 1; i < example.ids.size(); ++i)
    EXPECT_EQ(example.weights[i], i < prompt.size() ? 0.25f : 1.0f) << i;
  EXPECT_EQ(example.ids[prompt.size()], *tokenizer.special_id("<think>"));
}

TEST(DataExample, MarksOfOthersStayText) {
  const Tokenizer tokenizer = from_json(trained());
  const ExampleWriter writer(tokenizer);
  const TrainingExample example = writer.reply("<think><｜Assistant｜>", "<｜User｜>", 1);
  EXPECT_EQ(std::count(example.ids.begin(), example.ids.end(), *tokenizer.special_id("<think>")), 0);
  EXPECT_EQ(std::count(example.ids.begin(), example.ids.end(), *tokenizer.special_id("<｜User｜>")), 1);
  EXPECT_EQ(std::count(example.ids.begin(), example.ids.end(), *tokenizer.special_id("<｜Assistant｜>")), 1);
}

TEST(DataExample, AHoleKeepsTheText) {
  const Tokenizer tokenizer = from_json(trained());
  const ExampleWriter writer(tokenizer);
  const std::string text = "小明有3个苹果。Tom has 4.";
  for (std::uint64_t i = 0; i < 50; ++i) {
    Draw draw(1, i, 0);
    const std::string shown = tokenizer.decode(writer.text_with_hole(text, draw).ids);
    const std::string begin = "<｜fim▁begin｜>", hole = "<｜fim▁hole｜>", end = "<｜fim▁end｜>",
                      eos = "<｜end▁of▁sentence｜>";
    const std::size_t b = shown.find(begin), h = shown.find(hole), e = shown.find(end);
    ASSERT_TRUE(b < h && h < e && shown.ends_with(eos));
    const std::string before = shown.substr(b + begin.size(), h - b - begin.size()),
                      after = shown.substr(h + hole.size(), e - h - hole.size());
    const std::string middle = shown.substr(e + end.size(), shown.size() - e - end.size() - eos.size());
    EXPECT_EQ(before + middle + after, text);
  }
}

}  // namespace
}  // namespace limpid

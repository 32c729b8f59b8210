// limpid tokenize, detokenize and render, as a user runs them. That ids and prompts are right is tests/text's matter;
// here it is that the commands pass bytes through as they are.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/app/shell.h"

namespace {

const std::string kTokenizers = REPO_DIR "/tests/text/data/tokenizer/";

TEST(TextCommands, BytesSurviveTokenizeAndDetokenize) {
  const std::string text = R"('a\0b\r\n  \360\237\221\251\342\200\215\360\237\224\254 \344\275\240\345\245\275\n\n')";
  const ShellResult result = shell("printf " + text + " | " LIMPID_BINARY " tokenize " + kTokenizers +
                                   "qwen2.json | " LIMPID_BINARY " detokenize " + kTokenizers + "qwen2.json | od -c");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output, shell("printf " + text + " | od -c").output);
}

TEST(TextCommands, SpecialTokensAreTextUnlessAskedFor) {
  const std::string run = "printf '<|im_start|>' | " LIMPID_BINARY " tokenize " + kTokenizers + "deepseek-v3.json";
  EXPECT_NE(shell(run).output.find(','), std::string::npos);                 // several ids
  EXPECT_EQ(shell(run + " --special").output.find(','), std::string::npos);  // one
}

TEST(TextCommands, BosIsPutFirstOrRefused) {
  const ShellResult with = shell("printf a | " LIMPID_BINARY " tokenize --bos " + kTokenizers + "llama2.json");
  EXPECT_EQ(with.code, 0);
  EXPECT_EQ(with.output.rfind("[1,", 0), 0u) << with.output;
}

TEST(TextCommands, WhatIsNoIdIsNamedWithItsPlace) {
  const ShellResult result = shell("echo '[1, x]' | " LIMPID_BINARY " detokenize " + kTokenizers + "qwen2.json 2>&1");
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.output.find("byte 4"), std::string::npos) << result.output;
  EXPECT_EQ(shell("echo 99999999 | " LIMPID_BINARY " detokenize " + kTokenizers + "qwen2.json 2>/dev/null").code, 2);
}

class Render : public testing::Test {
 protected:
  Render() : folder_(std::filesystem::temp_directory_path() / ("limpid-render-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
    std::filesystem::copy_file(kTokenizers + "deepseek-v3.json", folder_ / "tokenizer.json");
    std::filesystem::copy_file(REPO_DIR "/tests/text/data/templates/deepseek-r1.jinja",
                               folder_ / "chat_template.jinja");
  }
  ~Render() override { std::filesystem::remove_all(folder_); }
  ShellResult render(const std::string& request, const std::string& options = "") {
    std::ofstream(folder_ / "in.json") << request;
    return run_limpid("render " + folder_.string() + " " + options + " < " + (folder_ / "in.json").string() + " 2>&1");
  }
  const std::filesystem::path folder_;
};

TEST_F(Render, TheTemplateBesideTheTokenizer) {
  const ShellResult result = render(R"({"messages": [{"role": "user", "content": "Hello"}]})");
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.output.find("<｜User｜>Hello<｜Assistant｜>"), std::string::npos) << result.output;
  const ShellResult without =
      render(R"({"messages": [{"role": "user", "content": "Hello"}], "add_generation_prompt": false})");
  EXPECT_EQ(without.output.find("<｜Assistant｜>"), std::string::npos) << without.output;
  EXPECT_EQ(render(R"([{"role": "user", "content": "Hello"}])").output, result.output);
}

// Templates write tools and calls out as JSON: with their keys in the order of the request, as Hugging Face does (the
// goldens are its own; few of their keys are in alphabetical order).
TEST_F(Render, ToolsKeepTheOrderOfTheRequest) {
  using OrderedJson = nlohmann::ordered_json;
  const std::string data = REPO_DIR "/tests/text/data/";
  const OrderedJson goldens = OrderedJson::parse(std::ifstream(data + "template_goldens.json"));
  const OrderedJson conversations = OrderedJson::parse(std::ifstream(data + "template_conversations.json"));
  std::filesystem::copy_file(data + "templates/qwen2.5.jinja", folder_ / "chat_template.jinja",
                             std::filesystem::copy_options::overwrite_existing);
  int compared = 0;
  for (const OrderedJson& golden : goldens["goldens"]) {
    const OrderedJson& conversation = conversations[golden["conversation"].get<std::string>()];
    if (golden["template"] != "qwen2.5" || !conversation.contains("tools") || !golden.contains("text")) continue;
    const OrderedJson request = {{"tools", goldens["tools"]},
                                 {"messages", conversation["messages"]},
                                 {"add_generation_prompt", golden["add_generation_prompt"]}};
    EXPECT_EQ(render(request.dump()).output, golden["text"].get<std::string>()) << golden["conversation"];
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST_F(Render, ThinkingOnEndsInOneOpenThink) {
  const std::string text = render(R"([{"role": "user", "content": "Hello"}])", "--think on").output;
  EXPECT_TRUE(text.ends_with("<think>\n")) << text;
  EXPECT_EQ(text.find("<think>"), text.rfind("<think>"));
}

TEST_F(Render, AModelWithoutATemplateIsNotSilent) {
  const std::string with = render(R"([{"role": "user", "content": "Hello"}])").output;
  EXPECT_EQ(with.find("no chat template"), std::string::npos) << with;
  std::filesystem::remove(folder_ / "chat_template.jinja");
  const ShellResult without = render(R"([{"role": "user", "content": "Hello"}])");
  EXPECT_EQ(without.code, 0);
  EXPECT_NE(without.output.find("this model has no chat template"), std::string::npos) << without.output;
}

TEST_F(Render, WhatIsWrongIsNamed) {
  EXPECT_EQ(render("{").code, 2);
  const ShellResult unknown = render(R"({"messages": [], "colour": 1})");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.output.find("colour"), std::string::npos);
  EXPECT_NE(render(R"({"messages": 3})").output.find("messages"), std::string::npos);
}

}  // namespace

// External data: forms, errors with file and line, shuffling by window, going on from any position.
#include "train/data_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/error.h"

namespace limpid {
namespace {

class DataFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() / ("limpid-data-" + std::to_string(getpid()) + "-" +
                                                  testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string file(const std::string& name, const std::string& content) {
    const std::string path = (directory_ / name).string();
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  // Documents "from" to "to" - 1 of a file that numbers them.
  std::string numbered(const std::string& name, int from, int to) {
    std::string content;
    for (int i = from; i < to; ++i) content += "{\"text\": \"" + std::to_string(i) + "\"}\n";
    return file(name, content);
  }
  static std::vector<std::string> epoch(DataFiles& files) {
    std::vector<std::string> texts;
    while (auto document = files.next()) texts.push_back(document->text);
    return texts;
  }
  static std::string error_of(DataFiles& files) {
    try {
      while (files.next()) continue;
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  std::filesystem::path directory_;
};

TEST_F(DataFilesTest, ReadsTheThreeForms) {
  DataFileOptions options;
  options.shuffle = false;
  DataFiles files({file("a.jsonl", R"({"text": "one\ntwo"}

{"prompt": "1+1", "completion": "2", "id": 7}
{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]})")},
                  options);
  EXPECT_EQ(files.next()->text, "one\ntwo");
  const Document pair = *files.next();
  ASSERT_EQ(pair.messages.size(), 2u);
  EXPECT_EQ(pair.messages[0].role + pair.messages[0].content, "user1+1");
  EXPECT_EQ(pair.messages[1].role + pair.messages[1].content, "assistant2");
  EXPECT_EQ(files.next()->messages.size(), 3u);
  EXPECT_FALSE(files.next());
  EXPECT_EQ(files.next()->text, "one\ntwo");  // the next epoch
}

TEST_F(DataFilesTest, ABrokenLineIsNamedAndWhatFollowsIsRead) {
  struct Case {
    const char *line, *said;
  };
  for (const Case& c : {Case{"{\"text\": ", ""},
                        {"[1]", "expected an object, found array"},
                        {"{\"texts\": \"a\"}", "none of them"},
                        {"{\"text\": \"a\", \"prompt\": \"b\", \"completion\": \"c\"}", "several of them"},
                        {"{\"text\": 3}", "expected a string, found number"},
                        {"{\"prompt\": \"a\"}", "\"completion\" is missing"},
                        {"{\"messages\": []}", "an empty one"},
                        {"{\"messages\": [{\"role\": \"user\"}]}", "message 1"},
                        {"{\"messages\": [{\"role\": \"robot\", \"content\": \"\"}]}", "role \"robot\""},
                        {"{\"text\": \"\xff\"}", ""}}) {
    DataFileOptions options;
    options.shuffle = false;
    const std::string path = file("a.jsonl", "{\"text\": \"1\"}\n\n" + std::string(c.line) + "\n{\"text\": \"4\"}\n");
    DataFiles files({path}, options);
    EXPECT_EQ(files.next()->text, "1");
    const std::string message = error_of(files);
    EXPECT_NE(message.find(path + ":3"), std::string::npos) << message;
    EXPECT_NE(message.find(c.said), std::string::npos) << message;
    EXPECT_EQ(files.next()->text, "4");  // who wants to may go on
  }
}

TEST_F(DataFilesTest, RefusesWhatItCannotRead) {
  EXPECT_THROW(DataFiles({}), Error);
  EXPECT_THROW(DataFiles({(directory_ / "none.jsonl").string()}), Error);
  DataFiles empty({file("empty.jsonl", "\n\n")});
  EXPECT_NE(error_of(empty).find("no document"), std::string::npos);
  DataFileOptions options;
  options.line_bytes = 64;
  DataFiles large({file("large.jsonl", "{\"text\": \"" + std::string(100, 'x') + "\"}\n")}, options);
  EXPECT_NE(error_of(large).find("large.jsonl:1: the line has more than 64 bytes"), std::string::npos);
  DataFiles bytes({file("bytes.txt", "fine\nfine\nnot \xff fine\n")});
  EXPECT_NE(error_of(bytes).find("bytes.txt:3"), std::string::npos);
}

TEST_F(DataFilesTest, TextComesInBlocksThatAddUp) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "第" + std::to_string(i) + (i % 7 == 0 ? "行\n\n" : "行\n");
  text += std::string(1000, 'x') +
          "字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字";  // one long line, no end
  for (const std::size_t block : {16, 17, 18, 100, 333, 100000}) {
    DataFileOptions options;
    options.shuffle = false;
    options.block_bytes = block;
    DataFiles files({file("a.txt", text)}, options);
    std::string joined;
    while (auto document = files.next()) {
      EXPECT_LE(document->text.size(), block);
      joined += document->text;
    }
    EXPECT_EQ(joined, text) << block;
  }
}

TEST_F(DataFilesTest, ShufflesWithinWindowsAcrossFiles) {
  const std::vector<std::string> paths = {numbered("a.jsonl", 0, 50), numbered("b.jsonl", 50, 120),
                                          numbered("c.jsonl", 120, 130)};
  DataFileOptions options;
  options.seed = 3;
  options.window_documents = 40;
  DataFiles files(paths, options), again(paths, options);
  const std::vector<std::string> first = epoch(files), second = epoch(files);
  EXPECT_EQ(first, epoch(again));
  EXPECT_NE(first, second);  // another order each epoch
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 130u);
  EXPECT_EQ(std::set<std::string>(second.begin(), second.end()).size(), 130u);
  EXPECT_EQ(first.size(), 130u);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.begin() + 40));
  options.seed = 4;
  DataFiles other(paths, options);
  EXPECT_NE(first, epoch(other));
}

TEST_F(DataFilesTest, GoesOnFromEveryPosition) {
  const std::vector<std::string> paths = {numbered("a.jsonl", 0, 30),
                                          file("b.txt", std::string(40, 'b') + "\n\n" + std::string(30, 'c')),
                                          numbered("c.jsonl", 30, 45)};
  DataFileOptions options;
  options.window_documents = 8;
  options.block_bytes = 24;
  DataFiles files(paths, options);
  std::vector<DataPosition> positions;
  std::vector<std::string> texts;
  for (int i = 0; i < 120; ++i) {  // more than two epochs
    positions.push_back(files.position());
    const auto document = files.next();
    texts.push_back(document ? document->text : "(end)");
  }
  for (std::size_t from = 0; from < positions.size(); ++from) {
    DataFiles resumed(paths, options);
    resumed.seek(positions[from]);
    for (std::size_t i = from; i < std::min(from + 25, texts.size()); ++i) {
      const auto document = resumed.next();
      ASSERT_EQ(document ? document->text : "(end)", texts[i]) << from << " " << i;
    }
  }
  DataPosition wrong;
  wrong.file = 9;
  EXPECT_THROW(files.seek(wrong), Error);
  wrong = {};
  wrong.index = 9;
  EXPECT_THROW(files.seek(wrong), Error);
}

TEST_F(DataFilesTest, HoldsAWindowNotTheFile) {
  // 200 documents of 10 kB with a window of 50 kB: an early one must come before a late one that is windows away.
  std::string content;
  for (int i = 0; i < 200; ++i)
    content += "{\"text\": \"" + std::to_string(1000 + i) + std::string(10000, 'x') + "\"}\n";
  DataFileOptions options;
  options.window_bytes = 50000;
  DataFiles files({file("a.jsonl", content)}, options);
  int last = 0;
  for (int i = 0; i < 200; ++i) {
    const int number = std::stoi(files.next()->text.substr(0, 4)) - 1000;
    EXPECT_GE(number, last - 6);
    EXPECT_LE(std::abs(number - i), 6);
    last = std::max(last, number);
  }
}

}  // namespace
}  // namespace limpid

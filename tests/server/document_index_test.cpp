#include "server/document_index.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "server/document_passages.h"
#include "server/document_tokenizer.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

class DocumentIndexTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            (std::string("documents-") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "notes");
    root_ = fs::canonical(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file, std::ios::binary) << text;
  }
  std::string database() const { return (root_ / "index.db").string(); }
  std::string notes() const { return (root_ / "notes").string(); }

  static std::vector<std::string> files(const std::vector<FoundPassage>& found) {
    std::vector<std::string> out;
    for (const FoundPassage& passage : found) out.push_back(passage.file);
    return out;
  }

  fs::path root_;
};

TEST_F(DocumentIndexTest, FindsWordsInAnyCaseAndAccent) {
  write("notes/a.md", "# Travel\n\nThe café in Zürich opens at nine.\n");
  write("notes/b.txt", "Something else entirely.\n");
  DocumentIndex index(database());
  index.add(notes());
  index.wait();
  const auto found = index.search("when does the CAFE in zurich open?", 5);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].file, "a.md");
  EXPECT_EQ(found[0].title, "Travel");
  EXPECT_NE(found[0].text.find("opens at nine"), std::string::npos);
  EXPECT_EQ(found[0].folder, notes());
}

TEST_F(DocumentIndexTest, FindsTwoChineseCharactersInsideASentence) {
  write("notes/a.txt", "我们昨天在公园里讨论了量子力学的基本问题。\n");
  write("notes/b.txt", "今天的晚餐是面条。量不大，子弹，力气。\n");
  DocumentIndex index(database());
  index.add(notes());
  index.wait();
  EXPECT_EQ(files(index.search("量子", 5)), std::vector<std::string>{"a.txt"});
  EXPECT_EQ(files(index.search("力学", 5)), std::vector<std::string>{"a.txt"});
  EXPECT_EQ(files(index.search("面条", 5)), std::vector<std::string>{"b.txt"});
  EXPECT_TRUE(index.search("火车", 5).empty());
}

TEST_F(DocumentIndexTest, TheBestPassageComesFirstAndNoFileTakesAllPlaces) {
  std::string many;
  for (int i = 0; i < 20; ++i) many += "bridge " + std::string(1300, 'x') + "\n\n";
  write("notes/many.txt", many);
  write("notes/best.md", "# Bridge\n\nbridge bridge bridge over the river\n");
  DocumentIndex index(database());
  index.add(notes());
  index.wait();
  const auto found = index.search("bridge", 10);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].file, "best.md");
  for (std::size_t i = 1; i < found.size(); ++i) EXPECT_GE(found[i - 1].score, found[i].score);
}

TEST_F(DocumentIndexTest, FollowsTheDisk) {
  write("notes/a.txt", "alpha\n");
  write("notes/b.txt", "beta\n");
  DocumentIndex index(database());
  index.add(notes());
  index.wait();
  write("notes/a.txt", "gamma instead, longer\n");
  fs::remove(root_ / "notes/b.txt");
  write("notes/deep/c.md", "delta\n");
  index.rescan();
  index.wait();
  EXPECT_TRUE(index.search("alpha", 5).empty());
  EXPECT_TRUE(index.search("beta", 5).empty());
  EXPECT_EQ(files(index.search("gamma", 5)), std::vector<std::string>{"a.txt"});
  EXPECT_EQ(files(index.search("delta", 5)), std::vector<std::string>{"deep/c.md"});
  EXPECT_EQ(index.folders().at(0).files, 2);
}

TEST_F(DocumentIndexTest, IsThereAfterARestart) {
  write("notes/a.txt", "persistent\n");
  {
    DocumentIndex index(database());
    index.add(notes());
    index.wait();
  }
  DocumentIndex index(database());
  EXPECT_EQ(files(index.search("persistent", 5)), std::vector<std::string>{"a.txt"});
  index.wait();
  EXPECT_EQ(index.folders().at(0).passages, 1);
}

TEST_F(DocumentIndexTest, LeavesOutWhatIsHiddenLinkedBinaryOrLarge) {
  write("notes/.secret.txt", "secretword\n");
  write("notes/.git/config.txt", "secretword\n");
  write("outside.txt", "secretword\n");
  fs::create_symlink(root_ / "outside.txt", root_ / "notes/link.txt");
  write("notes/binary.txt", std::string("secretword\0\n", 12));
  write("notes/large.txt", "secretword " + std::string(5 << 20, 'x'));
  write("notes/picture.png", "secretword\n");
  DocumentIndex index(database());
  index.add(notes());
  index.wait();
  EXPECT_TRUE(index.search("secretword", 5).empty());
}

TEST_F(DocumentIndexTest, ForgetsAFolder) {
  write("notes/a.txt", "forgettable\n");
  DocumentIndex index(database());
  const IndexedFolder folder = index.add(notes());
  index.wait();
  index.remove(folder.id);
  EXPECT_TRUE(index.folders().empty());
  index.wait();
  EXPECT_TRUE(index.search("forgettable", 5).empty());
  EXPECT_THROW(index.remove(folder.id), Error);
}

TEST_F(DocumentIndexTest, RefusesWhatIsNoFolderOrIsCovered) {
  write("notes/a.txt", "x\n");
  DocumentIndex index(database());
  EXPECT_THROW(index.add("notes"), Error);
  EXPECT_THROW(index.add((root_ / "nowhere").string()), Error);
  EXPECT_THROW(index.add((root_ / "notes/a.txt").string()), Error);
  index.add(notes());
  EXPECT_THROW(index.add(notes()), Error);
  fs::create_directories(root_ / "notes/inner");
  EXPECT_THROW(index.add((root_ / "notes/inner").string()), Error);
}

TEST_F(DocumentIndexTest, QuestionsAreNoQueryLanguage) {
  write("notes/a.txt", "quote and near\n");
  DocumentIndex index(database());
  index.add(notes());
  index.wait();
  for (const char* question :
       {"\"", "quote\" OR \"", "NEAR(quote near)", "a AND", "*", "text:quote", "--", "(", "\xff\xfe", ""})
    EXPECT_NO_THROW(index.search(question, 5)) << question;
  EXPECT_EQ(index.search("NEAR(quote near)", 5).size(), 1U);
}

TEST_F(DocumentIndexTest, AnIndexOfAnotherVersionIsMadeAnew) {
  write("notes/a.txt", "x\n");
  {
    DocumentIndex index(database());
    index.add(notes());
    index.wait();
  }
  std::fstream file(database(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(60);
  file.write("\0\0\0\x63", 4);  // user_version in SQLite's header
  file.close();
  DocumentIndex index(database());
  EXPECT_TRUE(index.folders().empty());
}

TEST(SearchQuery, PairsIdeographsAndKeepsWords) {
  EXPECT_EQ(search_query("hello 量子力学!"), "\"hello\" OR \"力学\" OR \"子力\" OR \"量子\"");
  EXPECT_EQ(search_query("山"), "\"山\"");
  EXPECT_EQ(search_query("a a A"), "\"A\" OR \"a\"");
  EXPECT_EQ(search_query(" ?! "), "");
}

TEST(Passages, EndAtBlankLinesAndCarryTheirHeading) {
  const auto passages = cut_passages("intro\n\n# One\ntext\n\nTwo\n---\n" + std::string(700, 'a') + "\n\n" +
                                     std::string(700, 'b') + "\n");
  ASSERT_EQ(passages.size(), 3U);
  EXPECT_EQ(passages[0].title, "");
  EXPECT_EQ(passages[0].text, "intro");
  EXPECT_EQ(passages[1].title, "One");
  EXPECT_TRUE(passages[1].text.starts_with("# One\ntext"));
  EXPECT_EQ(passages[2].text, std::string(700, 'b'));
}

TEST(Passages, ALineWithoutEndIsCutBetweenCharacters) {
  std::string line;
  for (int i = 0; i < 1000; ++i) line += "漢";
  std::string joined;
  for (const DocumentPassage& passage : cut_passages(line)) {
    EXPECT_EQ(passage.text.size() % 3, 0U);
    joined += passage.text;
  }
  EXPECT_EQ(joined, line);
}

}  // namespace
}  // namespace limpid

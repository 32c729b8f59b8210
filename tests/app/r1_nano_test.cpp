// The model that the repository ships, as a person meets it: named, offline, line by line.
#include <gtest/gtest.h>

#include "tests/app/shell.h"

namespace {

TEST(R1Nano, AnswersEachQuestionByItselfInBothLanguages) {
  const ShellResult talk = shell(
      "printf 'What is 347 + 895?\\n3、7、8 怎样凑成 29？\\nwrite an email\\nTom is taller than Ann, Ann is taller "
      "than Bob. Who is second?\\n小明比小红高，小红比小刚高。谁最高？\\n' | " +
      std::string(LIMPID_BINARY) + " chat r1-nano --temp 0 -t 1 2>/dev/null");
  ASSERT_EQ(talk.code, 0) << talk.output;
  EXPECT_EQ(talk.output, "1242\n7*3+8\nI cannot do that. I do sums and little puzzles: try 347 + 895.\nAnn\n小明\n");
}

TEST(R1Nano, ShowsItsThinking) {
  const ShellResult one = run_limpid("run r1-nano -p 'What is 347 + 895?' --temp 0 -t 1 --json 2>/dev/null");
  ASSERT_EQ(one.code, 0) << one.output;
  EXPECT_NE(
      one.output.find("add x hundreds3 tens4 ones7 y hundreds8 tens9 ones5= ones7+5=12 tens4+9+1=14 hundreds3+8+1=12"),
      std::string::npos)
      << one.output;
}

}  // namespace

// Text of others on its way to a terminal, and the numbers of the command line.
#include "app/printable.h"

#include <gtest/gtest.h>

#include "app/number.h"
#include "base/error.h"

using namespace limpid;

TEST(Printable, RunningTextLosesWhatCommandsATerminal) {
  EXPECT_EQ(printable("a\x1b]0;title\x07"
                      "b\r\n\tc\x7f"),
            "a]0;titleb\n\tc");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m\xC2\x80x\xC2\x9F"),
            "31mx")
      << "U+0080 to U+009F";
  EXPECT_EQ(printable("\xC2\xA0 \u00e9 \u4f60 \U0001F30D"), "\xC2\xA0 \u00e9 \u4f60 \U0001F30D");
}

TEST(Printable, NamesShowWhatIsInThem) {
  EXPECT_EQ(visible("a\x1b[31m\n\t\r\x7f"), "a\\x1b[31m\\n\\t\\x0d\\x7f");
  EXPECT_EQ(visible("\xC2\x9B"
                    "31m\xC2\xA0"),
            "\\u009b31m\xC2\xA0");
  EXPECT_EQ(visible("\xFF"), "\uFFFD");
  EXPECT_EQ(visible("\u4f60\u597d"), "\u4f60\u597d");
}

TEST(Printable, JsonKeepsItsValue) {
  EXPECT_EQ(visible_json("\"a\xC2\x9B"
                         "b\x7f\xC2\xA9\""),
            "\"a\\u009bb\\u007f\xC2\xA9\"");
}

TEST(Number, EndsOfARangeAreInItUnlessItIsAboveThem) {
  EXPECT_EQ(parse_integer("-3", -3, 4), -3);
  EXPECT_EQ(parse_integer("4", -3, 4), 4);
  EXPECT_THROW(parse_integer("5", -3, 4), Error);
  EXPECT_EQ(parse_unsigned("18446744073709551615"), ~std::uint64_t{0});
  EXPECT_THROW(parse_unsigned("18446744073709551616"), Error);
  EXPECT_THROW(parse_unsigned("-1"), Error);
  EXPECT_THROW(parse_unsigned(" 1"), Error);
  EXPECT_EQ(parse_real("0", 0, 1), 0);
  EXPECT_THROW(parse_real("0", 0, 1, true), Error);
  EXPECT_THROW(parse_real("nan", 0, 1), Error);
}

// limpid data, as a user runs it.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/app/shell.h"

namespace {

TEST(DataCommand, PrintsSamplesAndTheSameAgain) {
  const ShellResult result = run_limpid("data addsub -n 3 --seed 5 --lang en --level 2");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output, run_limpid("data addsub -n 3 --seed 5 --lang en --level 2").output);
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 9);
  EXPECT_NE(result.output.find("[addsub 2 en] "), std::string::npos);
  EXPECT_NE(result.output.find("  thinking: "), std::string::npos);
}

TEST(DataCommand, JsonIsOneObjectALine) {
  const ShellResult result = run_limpid("data mix -n 5 --split held-out --json --start 100");
  EXPECT_EQ(result.code, 0);
  const std::string line = result.output.substr(0, result.output.find('\n'));
  const nlohmann::json sample = nlohmann::json::parse(line);
  EXPECT_EQ(sample["split"], "held-out");
  EXPECT_TRUE(
      sample["completion"].get<std::string>().ends_with("\n</think>\n\n" + sample["answer"].get<std::string>()));
  // Samples are numbered: the third of these is the first from 102 on.
  const ShellResult later = run_limpid("data mix -n 3 --split held-out --json --start 102");
  EXPECT_TRUE(result.output.ends_with(later.output));
}

TEST(DataCommand, NamesWhatIsUnknown) {
  const ShellResult family = run_limpid("data sums 2>&1 >/dev/null");
  EXPECT_EQ(family.code, 2);
  EXPECT_NE(family.output.find("unknown family 'sums'"), std::string::npos);
  const ShellResult level = run_limpid("data count --level 9 2>&1 >/dev/null");
  EXPECT_EQ(level.code, 2);
  EXPECT_NE(level.output.find("levels 1 to 5"), std::string::npos);
  EXPECT_EQ(run_limpid("data none.json 2>/dev/null").code, 2);
  EXPECT_EQ(run_limpid("data addsub --lang fr 2>/dev/null").code, 2);
}

}  // namespace

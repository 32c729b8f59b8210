// limpid eval, as a user runs it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/app/shell.h"

namespace {

TEST(EvalCommand, NamesWhatIsUnknown) {
  const ShellResult family = run_limpid("eval none.gguf sums 2>&1 >/dev/null");
  EXPECT_EQ(family.code, 2);
  EXPECT_NE(family.output.find("'sums': expected a family"), std::string::npos);
  EXPECT_EQ(run_limpid("eval none.gguf none.jsonl 2>/dev/null").code, 2);
  EXPECT_EQ(run_limpid("eval none.gguf addsub 2>/dev/null").code, 2);
}

TEST(EvalCommand, SaysTheSameWithOtherRowsAndThreads) {
  NEED_SMOLLM2();
  const std::string asked = "eval " + smollm2() + " addsub -n 3 -k 2 --level 1 --max-tokens 12 --json";
  const auto run = [](const std::string& arguments) {
    const ShellResult result = run_limpid(arguments);
    EXPECT_EQ(result.code, 0);
    nlohmann::json json = nlohmann::json::parse(result.output);
    json.erase("seconds");
    return json;
  };
  const nlohmann::json first = run(asked + " --rows 1 -t 1");
  EXPECT_EQ(first["rows"][0]["problems"], 3);
  EXPECT_EQ(run(asked + " --rows 6 -t 2"), first);
}

}  // namespace

// Tables and panels for a terminal: what stands where.
#include "app/eval_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "app/rl_curve.h"

namespace limpid {
namespace {

Evaluated evaluated(const std::string& model, Reasoning reasoning, double pass) {
  Evaluated e{model, reasoning, {}};
  e.report.k = 4;
  e.report.rows = {{"", "", 20}, {"", "zh", 10}, {"addsub", "", 20}, {"addsub", "zh", 10}};
  for (EvalRow& row : e.report.rows)
    row.pass_1 = pass, row.tokens = 12.5, row.reasoned = 0.25, row.thoughts = 20, row.one_language = 1;
  return e;
}

TEST(EvalTable, ModelsStandBesideEachOther) {
  const std::string table =
      eval_table({evaluated("pretrain", Reasoning::free, 0.5), evaluated("pretrain", Reasoning::forced, 0.875),
                  evaluated("rl", Reasoning::free, 0.75), evaluated("rl", Reasoning::none, 0.125)});
  EXPECT_NE(table.find("50.0 [29.9-70.1]"), std::string::npos) << table;  // Wilson: 10 of 20
  EXPECT_NE(table.find("cons@4"), std::string::npos);
  EXPECT_NE(table.find("\nzh          50.0   12.5   25.0   87.5          75.0   12.5   25.0          12.5\n"),
            std::string::npos)
      << table;
  EXPECT_EQ(table.find("addsub    "), table.rfind("addsub    "));  // not by family and language at once
  EXPECT_EQ(eval_table({}), "");
}

TEST(EvalTable, ManyModelsShowLess) {
  std::vector<Evaluated> many;
  for (int i = 0; i < 5; ++i) many.push_back(evaluated("m" + std::to_string(i), Reasoning::free, 0.2 * i));
  const std::string table = eval_table(many);
  EXPECT_NE(table.find("addsub       0.0   12.5   20.0   12.5   40.0   12.5   60.0   12.5   80.0   12.5\n"),
            std::string::npos)
      << table;
}

TEST(RlCurvePanel, BarsHaveTheirHeightAndWhatIsNotThereIsFree) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(bar_panel({0, 0.5, 1, NAN}, 4, 1, 2, 4), (Lines{"  █ ", "▁██ "}));
  EXPECT_EQ(bar_panel({0.25, 0.75}, 4, 1, 1, 8), (Lines{"▂▂▆▆    "}));  // few steps: broad bars
  EXPECT_EQ(bar_panel({0, 1, 0.5, 0.5}, 4, 1, 1, 2), (Lines{"▄▄"}));    // many: their mean
  EXPECT_EQ(bar_panel({5}, 1, 1, 1, 2), (Lines{"██"}));                 // never outside
}

}  // namespace
}  // namespace limpid

// Schedules against DeepSeek-V3's table (section 4.2 of its report), and JSON.
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"

using namespace limpid;

namespace {

using nlohmann::json;

constexpr double kAll = 14.8e12;  // tokens

TEST(Schedule, FollowsV3) {
  const Schedule v3 = Schedule::deepseek_v3();
  const auto rate = [&](double tokens) { return v3.rate_at(tokens / kAll, 100000); };
  EXPECT_DOUBLE_EQ(rate(1e12), 2.2e-4);
  EXPECT_DOUBLE_EQ(rate(9.99e12), 2.2e-4);
  EXPECT_NEAR(rate(12.15e12), (2.2e-4 + 2.2e-5) / 2, 1e-9);  // half of the cosine
  EXPECT_NEAR(rate(10e12 + 4.3e12 / 4), 2.2e-5 + 1.98e-4 * (0.5 + 0.5 * std::sqrt(0.5)), 1e-9);
  EXPECT_NEAR(rate(14.3e12), 2.2e-5, 1e-12);
  EXPECT_NEAR(rate(14.6e12), 2.2e-5, 1e-12);
  EXPECT_NEAR(rate(14.7e12), 7.3e-6, 1e-12);
  EXPECT_NEAR(rate(kAll), 7.3e-6, 1e-12);
  EXPECT_DOUBLE_EQ(v3.rate_at(0, 0), 2.2e-4 / 2000);  // 2 k steps of warm-up
  EXPECT_DOUBLE_EQ(v3.rate_at(0, 999), 1.1e-4);
  EXPECT_DOUBLE_EQ(v3.rate_at(0, 1999), 2.2e-4);
  EXPECT_EQ(v3.rows_at(0, 15360), 3072);
  EXPECT_EQ(v3.rows_at(469e9 / 2 / kAll, 15360), 9216);
  EXPECT_EQ(v3.rows_at(469e9 / kAll, 15360), 15360);
  EXPECT_EQ(v3.rows_at(1, 15360), 15360);
  EXPECT_DOUBLE_EQ(v3.mtp_weight.at(9.9e12 / kAll), 0.3);
  EXPECT_DOUBLE_EQ(v3.mtp_weight.at(10.1e12 / kAll), 0.1);
  EXPECT_DOUBLE_EQ(v3.balance_speed.at(14.2e12 / kAll), 0.001);
  EXPECT_DOUBLE_EQ(v3.balance_speed.at(14.4e12 / kAll), 0);
}

TEST(Schedule, JsonGivesTheSameCurve) {
  const json text = json::parse(R"({"learning_rate": 2.2e-4, "warmup_steps": 2000,
    "rate": {"from": 1, "pieces": [{"until": 0.6757, "to": 1}, {"until": 0.9662, "to": 0.1, "shape": "cosine"},
                                   {"until": 0.9887, "to": 0.1}, {"until": 1, "to": 0.0332}]},
    "batch": {"from": 0.2, "pieces": [{"until": 0.0317, "to": 1, "shape": "linear"}]},
    "mtp_weight": {"pieces": [{"until": 0.6757, "to": 0.3}, {"until": 1, "to": 0.1}]},
    "balance_speed": {"pieces": [{"until": 0.9662, "to": 0.001}, {"until": 1, "to": 0}]}})");
  const Schedule read = Schedule::parse(text, "config.json: schedule"), v3 = Schedule::deepseek_v3();
  for (const double done : {0.0, 0.01, 0.02, 0.1, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.995, 1.0}) {
    EXPECT_NEAR(read.rate_at(done, 5000) / v3.rate_at(done, 5000), 1, 0.01) << done;
    EXPECT_NEAR(read.batch.at(done), v3.batch.at(done), 0.001) << done;
    EXPECT_EQ(read.mtp_weight.at(done), v3.mtp_weight.at(done)) << done;
    EXPECT_EQ(read.balance_speed.at(done), v3.balance_speed.at(done)) << done;
  }
  // V3's own by its name, alone or with what differs from it.
  const Schedule named = Schedule::parse(json("deepseek-v3"), "c"),
                 other = Schedule::parse({{"as", "deepseek-v3"}, {"learning_rate", 0.004}}, "c");
  for (const double done : {0.0, 0.01, 0.5, 0.8, 0.97, 1.0}) {
    EXPECT_EQ(named.rate_at(done, 1000), v3.rate_at(done, 1000)) << done;
    EXPECT_EQ(named.batch.at(done), v3.batch.at(done)) << done;
    EXPECT_EQ(named.mtp_weight.at(done), v3.mtp_weight.at(done)) << done;
    EXPECT_EQ(named.balance_speed.at(done), v3.balance_speed.at(done)) << done;
    EXPECT_EQ(other.rate_at(done, 5000), 0.004 * v3.rate.at(done)) << done;
  }
  EXPECT_EQ(other.warmup_steps, 2000);
  EXPECT_EQ(Schedule::parse(json::parse(R"({"mtp_weight": 0.25})"), "c").mtp_weight.at(0.4), 0.25);
  EXPECT_EQ(Curve(0.1).at(0.9), 0.1);
  EXPECT_EQ(Schedule::parse(json::parse("{}"), "c").rows_at(0, 0), 1) << "at least one row";
}

// What is refused, and what the message must name.
TEST(Schedule, BadFieldsAreNamed) {
  const auto refused = [](const char* text, const std::vector<std::string>& named) {
    try {
      Schedule::parse(json::parse(text), "run.json: schedule");
      ADD_FAILURE() << "took " << text;
    } catch (const Error& error) {
      for (const std::string& name : named)
        EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  };
  refused(R"({"learning_rte": 1})", {"run.json: schedule.learning_rte", "unknown", "learning_rate"});
  refused(R"({"learning_rate": "fast"})", {"schedule.learning_rate", "number", "fast"});
  refused(R"({"learning_rate": -1})", {"schedule.learning_rate", "-1"});
  refused(R"({"warmup_steps": 1.5})", {"schedule.warmup_steps", "integer", "1.5"});
  refused(R"({"rate": {"pieces": []}})", {"schedule.rate.pieces", "list"});
  refused(R"({"rate": {"pieces": [{"to": 1}]}})", {"schedule.rate.pieces[0]", "until"});
  refused(R"({"rate": {"pieces": [{"until": 0.5, "to": 1}, {"until": 0.4, "to": 1}]}})",
          {"pieces[1].until", "0.5", "0.4"});
  refused(R"({"rate": {"pieces": [{"until": 0.5, "to": 1, "shape": "round"}]}})",
          {"pieces[0].shape", "cosine", "round"});
  refused(R"({"rate": {"pieces": [{"until": 0.5, "to": 1, "form": "linear"}]}})", {"pieces[0].form", "unknown"});
  refused(R"({"batch": 3})", {"schedule.batch", "0 to 1", "3"});
  refused(R"("deepseek-v2")", {"run.json: schedule.as", "deepseek-v3", "deepseek-v2"});
  refused("[]", {"run.json: schedule", "object"});
}

}  // namespace

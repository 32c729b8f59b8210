// Reports: what is in a run's files comes to stand on the page, escaped, and a run that is still written is read.
#include "train/report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>

#include "base/error.h"
#include "train/html.h"
#include "train/svg_chart.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

TEST(Html, MarkupControlsAndBrokenBytesAreHarmless) {
  EXPECT_EQ(html_text("<a href=\"x\" b='y'>&amp;"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
  EXPECT_EQ(html_text("小\n\t"), "小\n\t");
  EXPECT_EQ(html_text(std::string("\x1b[31m\0\xff", 7)), "\xEF\xBF\xBD[31m\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Chart, TicksAreRoundAndInside) {
  EXPECT_EQ(axis_ticks(0, 100, 5), (std::vector<double>{0, 20, 40, 60, 80, 100}));
  EXPECT_EQ(axis_ticks(0, 1, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(axis_ticks(3, 11, 4), (std::vector<double>{4, 6, 8, 10}));
  EXPECT_EQ(axis_ticks(5, 5, 4), (std::vector<double>{5}));
}

TEST(Chart, ThinningKeepsMeansAndLeavesOutWhatIsNoNumber) {
  const ChartSeries thin = thin_out({"a", {0, 1, 2, 3, 4, 5}, {1, NAN, 3, 5, NAN, NAN}}, 3);
  EXPECT_EQ(thin.x, (std::vector<double>{0.5, 2.5, 4.5}));
  EXPECT_EQ(thin.y[0], 1);
  EXPECT_EQ(thin.y[1], 4);
  EXPECT_TRUE(std::isnan(thin.y[2]));
}

TEST(Chart, PointsStandWhereTheyBelong) {
  const std::string svg = svg_chart({"<t>", "step", "%", {{"s", {0, 10}, {0, 1}}}, 0, 1, {}, false, true});
  EXPECT_NE(svg.find("M52.0 200.0L506.0 10.0"), std::string::npos) << svg;  // from corner to corner
  EXPECT_NE(svg.find("&lt;t&gt;"), std::string::npos);
  EXPECT_NE(svg.find(">100</text>"), std::string::npos);  // 1 is 100 %
  EXPECT_EQ(svg.find("legend"), std::string::npos);
  EXPECT_EQ(svg_chart({"t", "x", "y", {{"s", {1, 2}, {NAN, NAN}}}}), "");
  EXPECT_EQ(svg_chart({"t", "x", "y", {{"s", {1, 2}, {0, -1}}}, {}, {}, {}, true}), "");  // no logarithm
}

class Report : public testing::Test {
 protected:
  Report() {
    fs::create_directories(root_ / "rl"), fs::create_directories(root_ / "pretrain"),
        fs::create_directories(root_ / "eval");
  }
  ~Report() override { fs::remove_all(root_); }
  void write(const char* name, const std::string& text) const { std::ofstream(root_ / name, std::ios::binary) << text; }
  std::string page() const { return report_page(read_run(root_.string())); }

  void write_run() const {
    write(
        "recipe.json",
        R"({"name": "r<1>", "about": "made & tested", "cost": {"machine": "c7a.large", "usd_per_hour": 0.36, "source": "list"}, "stages": [
      {"stage": "pretrain", "kind": "train", "config": {"tokens": 12, "schedule": {"learning_rate": 0.002}}, "sources": {"learning_rate": "the <prototype>"}},
      {"stage": "rl", "kind": "rl", "config": {"grpo": {"steps": 4}}},
      {"stage": "eval", "kind": "eval", "of": ["pretrain", "rl"]},
      {"stage": "page", "kind": "report"}]})");
    write("times.jsonl", "{\"stage\": \"rl\", \"seconds\": 100, \"threads\": 2, \"finished\": true}\n");
    write("pretrain/metrics.jsonl",
          "{\"step\":1,\"loss\":6.5,\"rows\":100,\"seconds\":0.5,\"violation\":0.3,\"rate\":0.1,\"mtp_loss\":7}\n"
          "{\"step\":2,\"loss\":3.5,\"rows\":100,\"seconds\":0.5,\"violation\":0.2,\"rate\":0.1,\"mtp_loss\":5}\n{"
          "\"step\":3,\"lo");
    write("pretrain/model.safetensors", "x");
    write("rl/metrics.jsonl",
          "{\"step\":1,\"accuracy\":0.25,\"tokens\":10,\"reasoned\":0.2,\"families\":{\"addsub\":0.5}}\n"
          "{\"step\":2,\"accuracy\":0.5,\"tokens\":20,\"reasoned\":0.4,\"families\":{\"addsub\":0.75}}\n");
    write("rl/samples.jsonl",
          "{\"step\":0,\"family\":\"addsub\",\"language\":\"en\",\"prompt\":\"1+1?\",\"reply\":\"<think>\\n</"
          "script><b>\\n</think>\\n\\n3\",\"answer\":\"2\",\"correct\":false}\n"
          "{\"step\":2,\"family\":\"addsub\",\"language\":\"en\",\"prompt\":\"1+1?\",\"reply\":\"2\",\"answer\":\"2\","
          "\"correct\":true}\n");
    for (const char* name : {"eval/pretrain-free.json", "eval/rl-free.json", "eval/rl-forced.json"}) {
      const bool rl = std::string(name).find("rl") != std::string::npos;
      write(
          name,
          std::string(
              R"({"k": 2, "generated": 50, "curve": [{"n": 1, "pass": 0.5, "cons": 0.5}, {"n": 2, "pass": 0.625, "cons": 0.5625}], "rows": [{"family": "all", "language": "all", "problems": 8, "pass@1": {"value": )") +
              (rl ? "0.875" : "0.5") +
              R"(, "low": 0.2, "high": 0.9}, "pass@k": {"value": 0.6}, "cons@k": {"value": 0.5}, "tokens": )" +
              (rl ? "20" : "10") +
              R"(, "reasoned": 0.25, "thoughts": 4, "one_language": 0.875, "readable": 0.75, "finished": 1}]})");
    }
  }
  const fs::path root_ = fs::temp_directory_path() / ("limpid-report-" + std::to_string(getpid()));
};

TEST_F(Report, ShowsWhatTheRunDid) {
  write_run();
  const std::string html = page();
  const auto has = [&](const char* text) { return html.find(text) != std::string::npos; };
  EXPECT_TRUE(has("<h1>r&lt;1&gt;</h1>"));
  EXPECT_TRUE(has("made &amp; tested"));
  EXPECT_TRUE(has("50.0 → 87.5 %"));              // before and after
  EXPECT_TRUE(has("pretrain ✓") && has("rl …"));  // what is done and what is not
  EXPECT_TRUE(has("&lt;/script&gt;&lt;b&gt;") && !has("</script>") && !has("<script"));
  EXPECT_TRUE(has("<code>learning_rate = 0.002</code>") && has("the &lt;prototype&gt;"));
  EXPECT_TRUE(has("c7a.large: 0.36 US dollars"));
  EXPECT_TRUE(has("<td>1.00</td>"));   // 100 s at 36 cents an hour
  EXPECT_TRUE(has("<td>0.056</td>"));  // core-hours: 100 s on 2 threads
  EXPECT_TRUE(has(
      "<tr><td>pretrain</td><td>2</td><td>56.2</td><td>62.5</td></tr>"));  // two answers for the tokens of one of rl
  EXPECT_TRUE(has("MaxVio") && has("second next token") && has("tokens/s") && has("Accuracy by family"));
  EXPECT_TRUE(has("What reasoning is worth"));
  EXPECT_TRUE(has("<td>75.0 <span class=\"soft\">of 4</span></td>"));  // readable, of the answers that think
  // Nothing is fetched: no address but that of the SVG standard may stand in it, and it has no script.
  EXPECT_FALSE(std::regex_search(html, std::regex("(src|href)=|url\\(|@import|https?://")));
  // Tags that open are closed.
  for (const char* tag : {"section", "div", "table", "tr", "td", "svg", "figure", "details", "p", "main"}) {
    const auto count = [&](const std::string& pattern) {
      const std::regex expression(pattern);
      return std::distance(std::sregex_iterator(html.begin(), html.end(), expression), std::sregex_iterator());
    };
    EXPECT_EQ(count("<" + std::string(tag) + "[ >]"), count("</" + std::string(tag) + ">")) << tag;
  }
}

TEST_F(Report, ReloadsItselfOnlyWhileTheRunGoesOn) {
  write_run();
  const std::string out = (root_ / "report.html").string();
  const auto written = [&] {
    std::ifstream file(out);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_FALSE(write_report(root_.string(), out, {3}));
  EXPECT_FALSE(read_run(root_.string()).stages.back().finished);
  EXPECT_NE(written().find("http-equiv=\"refresh\" content=\"3\""), std::string::npos);
  write("rl/model.safetensors", "x");
  write("eval/stage.json", "{\"finished\": true}");
  EXPECT_TRUE(write_report(root_.string(), out, {3}));
  EXPECT_TRUE(read_run(root_.string()).stages.back().finished);
  EXPECT_EQ(written().find("http-equiv=\"refresh\""), std::string::npos);
}

TEST_F(Report, MistakesAreNamedAndStrangeFilesDoNoHarm) {
  const auto error = [&](const std::string& directory) {
    try {
      report_page(read_run(directory));
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(error((root_ / "nowhere").string()).find("nowhere"), std::string::npos);
  EXPECT_NE(error((root_ / "rl").string()).find("no metrics.jsonl"), std::string::npos);
  write("rl/metrics.jsonl", "{\"step\":1,\"accuracy\":0.5}\nnonsense\n{\"step\":3}\n");
  EXPECT_NE(error(root_.string()).find("metrics.jsonl:2"), std::string::npos);
  write("rl/metrics.jsonl", "[1]\n");
  EXPECT_NE(error(root_.string()).find("metrics.jsonl:1"), std::string::npos);
  // Fields of other kinds than expected.
  write("rl/metrics.jsonl",
        "{\"step\":\"x\",\"accuracy\":[],\"families\":3}\n{\"step\":2,\"accuracy\":1,\"families\":{\"a\":\"b\"}}\n");
  write("rl/samples.jsonl", "{\"prompt\":3,\"reply\":null,\"correct\":\"yes\"}\n");
  write("rl/stage.json", "[]");
  write("eval/a-free.json", "{\"rows\":[3,{\"family\":4}],\"curve\":[1],\"k\":\"z\"}");
  write("eval/b-free.json", "{\"rows\":[{\"family\":\"all\",\"language\":\"all\",\"pass@1\":{}}],\"curve\":7}");
  write("times.jsonl", "{\"stage\":\"rl\",\"seconds\":\"long\",\"threads\":-1}\n");
  EXPECT_EQ(error(root_.string()), "");
  EXPECT_NE(page().find("<h2>rl: reinforcement</h2>"), std::string::npos);
  write(
      "recipe.json",
      R"({"name": 3, "cost": [], "sources": 4, "stages": [7, {"stage": "../../etc", "kind": 3, "sources": [], "of": 3}, {"stage": "eval", "of": [3, "b"]}]})");
  EXPECT_EQ(error(root_.string()), "");
  write("recipe.json", "[]");
  EXPECT_NE(error(root_.string()).find("recipe.json"), std::string::npos);
}

}  // namespace
}  // namespace limpid

// Tables of a report: the evaluations of a stage.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "train/html.h"
#include "train/report.h"
#include "train/report_fields.h"
#include "train/svg_chart.h"

namespace limpid {

namespace {

using Json = nlohmann::json;

const Json* row_of(const StageEval* eval, const std::string& family, const std::string& language) {
  if (eval == nullptr) return nullptr;
  for (const Json& row : eval->report["rows"])
    if (text_or_empty(row, "family") == family && text_or_empty(row, "language") == language) return &row;
  return nullptr;
}

struct Rate {
  double value = NAN, low = NAN, high = NAN;
};

Rate rate_in(const Json* row, const char* field) {
  if (row == nullptr || !row->contains(field)) return {};
  const Json& rate = (*row)[field];
  if (rate.is_number()) return {rate.get<double>(), NAN, NAN};
  return {number_in(rate, "value"), number_in(rate, "low"), number_in(rate, "high")};
}

std::string percent(double value) { return std::isfinite(value) ? fmt::format("{:.1f}", 100 * value) : ""; }

std::string with_interval(const Rate& rate) {
  if (!std::isfinite(rate.value)) return "";
  if (!std::isfinite(rate.low)) return percent(rate.value);
  return fmt::format("{:.1f} <span class=\"soft\">{:.1f}–{:.1f}</span>", 100 * rate.value, 100 * rate.low,
                     100 * rate.high);
}

std::string interval_mark(const Rate& rate) {
  if (!std::isfinite(rate.value) || !std::isfinite(rate.low)) return "";
  const auto at = [](double v) { return 4 + 112 * std::clamp(v, 0.0, 1.0); };
  return fmt::format(
      "<svg class=\"ci\" viewBox=\"0 0 120 12\"><path class=\"track\" d=\"M4 6H116\"/><path class=\"range\" "
      "d=\"M{:.1f} 6H{:.1f}\"/>"
      "<circle class=\"mean\" cx=\"{:.1f}\" cy=\"6\" r=\"3.5\"/></svg>",
      at(rate.low), at(rate.high), at(rate.value));
}

struct OfModel {
  std::string name;
  const StageEval *free = nullptr, *forced = nullptr, *none = nullptr;
};

std::vector<OfModel> models_of(const StageLog& stage) {
  std::vector<OfModel> models;
  for (const StageEval& e : stage.evals) {
    if (models.empty() || models.back().name != e.model) models.push_back({e.model});
    OfModel& m = models.back();
    (e.reasoning == "free" ? m.free : e.reasoning == "forced" ? m.forced : m.none) = &e;
  }
  return models;
}

// With the number of answers that think.
std::string readable_of(const Json& row) {
  const double thoughts = number_in(row, "thoughts"), rate = number_in(row, "readable");
  if (!std::isfinite(rate)) return "";
  return std::isfinite(thoughts) ? fmt::format("{} <span class=\"soft\">of {:.0f}</span>", percent(rate), thoughts)
                                 : percent(rate);
}

std::string models_table(const std::vector<OfModel>& models) {
  const double k = models[0].free != nullptr ? number_in(models[0].free->report, "k") : NAN;
  const std::string n = std::isfinite(k) ? fmt::format("{:.0f}", k) : "k";
  std::string out = fmt::format(
      "<div class=\"scroll\"><table><caption>All families and both languages; the model decides whether to think. Per "
      "cent, with Wilson's 95 % "
      "interval over problems. One language and readable: over the answers that think, whose number stands "
      "behind.</caption><tr><th>model</th><th "
      "colspan=\"2\">pass@1</th><th>pass@{0}</th><th>cons@{0}</th><th>vote gains</th>"
      "<th>length</th><th>thinks</th><th>one language</th><th>readable</th><th>ends</th></tr>\n",
      n);
  for (const OfModel& m : models) {
    const Json* row = row_of(m.free, "all", "all");
    if (row == nullptr) continue;
    const Rate pass = rate_in(row, "pass@1"), cons = rate_in(row, "cons@k");
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:+.1f}</td><td>{:.1f}</td><td>{}</td><td>{}</"
        "td><td>{}</td><td>{}</td></tr>\n",
        html_text(m.name), interval_mark(pass), with_interval(pass), with_interval(rate_in(row, "pass@k")),
        with_interval(cons), 100 * (cons.value - pass.value), number_in(*row, "tokens"),
        percent(number_in(*row, "reasoned")), percent(number_in(*row, "one_language")), readable_of(*row),
        percent(number_in(*row, "finished")));
  }
  return out + "</table></div>\n";
}

std::string modes_table(const std::vector<OfModel>& models) {
  if (std::ranges::none_of(models, [](const OfModel& m) { return m.forced != nullptr || m.none != nullptr; }))
    return "";
  std::string out =
      "<h3>What reasoning is worth</h3>\n<p class=\"soft\">pass@1 when the model decides, when every reply has to "
      "begin with thinking, and when thinking is "
      "forbidden: reinforcement mostly chooses the better mode, it does not make a mode better.</p>\n"
      "<table><tr><th>model</th><th>free</th><th>forced</th><th>forbidden</th></tr>\n";
  for (const OfModel& m : models)
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n", html_text(m.name),
                       with_interval(rate_in(row_of(m.free, "all", "all"), "pass@1")),
                       with_interval(rate_in(row_of(m.forced, "all", "all"), "pass@1")),
                       with_interval(rate_in(row_of(m.none, "all", "all"), "pass@1")));
  return out + "</table>\n";
}

std::string family_row(const std::vector<OfModel>& models, const std::string& family, const std::string& language,
                       const std::string& name) {
  std::string out = fmt::format("<tr{}><td>{}</td>", family == "all" ? " class=\"total\"" : "", html_text(name));
  double before = NAN;
  for (const OfModel& m : models) {
    const Json* row = row_of(m.free, family, language);
    const Rate rate = rate_in(row, "pass@1");
    const char* change = std::isfinite(before) && rate.low > before    ? " class=\"up\""
                         : std::isfinite(before) && rate.high < before ? " class=\"down\""
                                                                       : "";
    out += fmt::format("<td{}>{}</td><td>{}</td><td>{}</td>", change, with_interval(rate),
                       row == nullptr ? "" : fmt::format("{:.1f}", number_in(*row, "tokens")),
                       row == nullptr ? "" : percent(number_in(*row, "reasoned")));
    if (models.size() <= 2)
      out += fmt::format("<td>{}</td><td>{}</td>", percent(rate_in(row_of(m.forced, family, language), "pass@1").value),
                         percent(rate_in(row_of(m.none, family, language), "pass@1").value));
    before = rate.value;
  }
  return out + "</tr>\n";
}

std::string families_table(const StageLog& stage, const std::vector<OfModel>& models) {
  const bool detailed = models.size() <= 2;
  std::string out = "<h3>By family and language</h3>\n<div class=\"scroll\"><table><tr><th></th>";
  for (const OfModel& m : models) out += fmt::format("<th colspan=\"{}\">{}</th>", detailed ? 5 : 3, html_text(m.name));
  out += "</tr>\n<tr><th>family</th>";
  for (std::size_t i = 0; i < models.size(); ++i)
    out += detailed ? "<th>pass@1</th><th>length</th><th>thinks</th><th>forced</th><th>forbidden</th>"
                    : "<th>pass@1</th><th>length</th><th>thinks</th>";
  out += "</tr>\n";
  for (const Json& row : stage.evals[0].report["rows"]) {
    const std::string family = text_or_empty(row, "family"), language = text_or_empty(row, "language");
    const std::string name = family == "all" && language == "all" ? "all"
                             : family == "all"                    ? "all, " + language
                             : language == "all"                  ? family
                                                                  : family + ", " + language;
    if (family == "all" || language == "all") out += family_row(models, family, language, name);
  }
  out +=
      "</table></div>\n<details><summary>Each family in each language</summary><div "
      "class=\"scroll\"><table><tr><th></th>";
  for (const OfModel& m : models) out += fmt::format("<th colspan=\"{}\">{}</th>", detailed ? 5 : 3, html_text(m.name));
  out += "</tr>\n";
  for (const Json& row : stage.evals[0].report["rows"]) {
    const std::string family = text_or_empty(row, "family"), language = text_or_empty(row, "language");
    if (family != "all" && language != "all") out += family_row(models, family, language, family + ", " + language);
  }
  return out + "</table></div></details>\n";
}

// Accuracy against the tokens that are spent on a problem: n answers of one model against one of another.
std::string compute_html(const std::vector<OfModel>& models) {
  Chart chart{"Accuracy of the vote over n answers, by the tokens it costs",
              "tokens a problem (n answers)",
              "% right",
              {},
              0,
              1,
              {},
              false,
              true};
  struct Curve {
    double tokens;
    const Json* points;
  };
  std::vector<Curve> curves;
  for (const OfModel& m : models) {
    const Json* row = row_of(m.free, "all", "all");
    if (row == nullptr || !m.free->report.contains("curve") || !m.free->report["curve"].is_array()) return "";
    ChartSeries series{m.name, {}, {}};
    const double tokens = number_in(*row, "tokens");
    for (const Json& point : m.free->report["curve"]) {
      series.x.push_back(tokens * number_in(point, "n"));
      series.y.push_back(number_in(point, "cons"));
    }
    chart.series.push_back(series);
    curves.push_back({tokens, &m.free->report["curve"]});
  }
  std::string out =
      "<h3>At equal compute</h3>\n<p class=\"soft\">Longer answers cost more. With the tokens that the last model "
      "writes for one answer, each other model may answer "
      "n times: the majority's vote, and the share of problems with at least one right answer among n, which needs "
      "somebody who knows.</p>\n"
      "<table><tr><th>model</th><th>n</th><th>vote of n</th><th>best of n</th></tr>\n";
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto most = static_cast<double>(curves[i].points->size());
    const double n =
        std::clamp(std::floor(curves.back().tokens / std::max(curves[i].tokens, 1e-9)), 1.0, std::max(most, 1.0));
    if (most < 1) continue;
    const Json& point = (*curves[i].points)[static_cast<std::size_t>(n) - 1];
    out += fmt::format("<tr><td>{}</td><td>{:.0f}</td><td>{}</td><td>{}</td></tr>\n", html_text(models[i].name), n,
                       percent(number_in(point, "cons")), percent(number_in(point, "pass")));
  }
  return out + "</table>\n<div class=\"charts\">" + svg_chart(chart) + "</div>\n";
}

}  // namespace

std::string report_evaluation(const StageLog& stage) {
  if (stage.evals.empty()) return "";
  const std::vector<OfModel> models = models_of(stage);
  const std::string about = text_or_empty(stage.told, "about");
  std::string out =
      stage.name.empty() ? "<h2>Evaluation</h2>\n" : fmt::format("<h2>{}: evaluation</h2>\n", html_text(stage.name));
  if (!about.empty()) out += fmt::format("<p>{}</p>\n", html_text(about));
  return "<section>" + out + models_table(models) + modes_table(models) + families_table(stage, models) +
         (models.size() > 1 ? compute_html(models) : "") + "</section>\n";
}

}  // namespace limpid

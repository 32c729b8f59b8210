#include "train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "formats/atomic_file.h"
#include "train/html.h"
#include "train/report_fields.h"

namespace limpid {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestValue = 160;  // characters of a field in the recipe's table

const Json* field_of(const Json& object, const char* field) {
  return object.is_object() && object.contains(field) ? &object[field] : nullptr;
}

std::string dump(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string duration(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  if (seconds < 5400) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.2f} h", seconds / 3600);
}

// What a source speaks of: the shallowest field whose path ends in `key` ("grpo.prompts", "prompts", "model").
const Json* find_field(const Json& root, const std::string& key) {
  std::deque<std::pair<std::string, const Json*>> queue{{"", &root}};
  while (!queue.empty()) {
    const auto [path, value] = queue.front();
    queue.pop_front();
    if (path == key || path.ends_with("." + key)) return value;
    if (!value->is_object()) continue;
    for (const auto& [name, inner] : value->items())
      if (name != "sources") queue.emplace_back(path.empty() ? name : path + "." + name, &inner);
  }
  return nullptr;
}

std::string values_of(const Json& stage, const std::string& keys) {
  std::string out;
  for (std::size_t at = 0; at < keys.size();) {
    const std::size_t end = std::min(keys.find(',', at), keys.size());
    std::string key = keys.substr(at, end - at);
    key.erase(0, key.find_first_not_of(' '));
    at = end + 1;
    const Json* value = find_field(stage, key);
    std::string text = value == nullptr ? "" : dump(*value);
    if (text.size() > kLongestValue) text = "{ ... }";
    out += fmt::format("{}<code>{}{}{}</code>", out.empty() ? "" : "<br>", html_text(key), text.empty() ? "" : " = ",
                       html_text(text));
  }
  return out;
}

std::string stage_recipe(const Json& stage) {
  if (!stage.is_object()) return "";
  Json told = stage;
  std::string rows;
  if (const Json* sources = field_of(stage, "sources"); sources != nullptr && sources->is_object())
    for (const auto& [keys, source] : sources->items())
      rows += fmt::format("<tr><td class=\"text\">{}</td><td class=\"text\">{}</td></tr>\n", values_of(stage, keys),
                          html_text(source.is_string() ? source.get<std::string>() : dump(source)));
  told.erase("sources");
  return fmt::format(
      "<h3>{} <span class=\"soft\">{}</span></h3>\n{}<details><summary>All fields</summary><pre>{}</pre></details>\n",
      html_text(text_or_empty(stage, "stage")), html_text(text_or_empty(stage, "kind")),
      rows.empty()
          ? ""
          : "<div class=\"scroll\"><table><tr><th>field</th><th class=\"text\">where it comes from</th></tr>\n" + rows +
                "</table></div>\n",
      html_text(dump(told, 1)));
}

std::string stage_list(const RunLog& log) {
  std::string out = "<ul class=\"stages\">";
  for (const StageLog& stage : log.stages) {
    if (stage.name.empty()) return "";
    const char* state = stage.finished ? "done" : stage.begun ? "now" : "later";
    out += fmt::format("<li class=\"{}\">{}{}</li>", state, html_text(stage.name),
                       stage.finished ? " ✓"
                       : stage.begun  ? " …"
                                      : "");
  }
  return out + "</ul>\n";
}

std::string tile(const std::string& value, const std::string& what) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", value, what);
}

std::string change(double before, double after, const char* unit) {
  return fmt::format("{:.1f} → {:.1f}{}", before, after, unit);
}

// Accuracy, length and share of reasoning before and after: by the first evaluation, else by the first reinforcement.
std::string change_tiles(const RunLog& log) {
  for (const StageLog& stage : log.stages) {
    const Json *first = nullptr, *last = nullptr;
    for (const StageEval& e : stage.evals)
      if (e.reasoning == "free" && !e.report["rows"].empty()) {
        if (first == nullptr) first = &e.report["rows"][0];
        last = &e.report["rows"][0];
      }
    if (first == nullptr || first == last || field_of(*first, "pass@1") == nullptr ||
        field_of(*last, "pass@1") == nullptr)
      continue;
    return tile(change(100 * number_in((*first)["pass@1"], "value"), 100 * number_in((*last)["pass@1"], "value"), " %"),
                "pass@1 on held-out problems") +
           tile(change(number_in(*first, "tokens"), number_in(*last, "tokens"), ""), "tokens of an answer") +
           tile(change(100 * number_in(*first, "reasoned"), 100 * number_in(*last, "reasoned"), " %"),
                "of the answers reason");
  }
  for (const StageLog& stage : log.stages) {
    if (stage.kind != "rl" || stage.metrics.empty()) continue;
    const auto of = [&](const char* field, double factor, const char* unit) {
      return change(factor * number_in(stage.metrics.front(), field), factor * number_in(stage.metrics.back(), field),
                    unit);
    };
    return tile(of("accuracy", 100, " %"), "right, first and last step") +
           tile(of("tokens", 1, ""), "tokens of an answer") + tile(of("reasoned", 100, " %"), "of the answers reason");
  }
  return "";
}

struct Cost {
  std::string machine, source;
  double usd_per_hour = NAN;
};

Cost cost_of(const RunLog& log) {
  Cost cost;
  if (const Json* told = field_of(log.recipe, "cost"))
    cost = {text_or_empty(*told, "machine"), text_or_empty(*told, "source"), number_in(*told, "usd_per_hour")};
  return cost;
}

std::string cents(const Cost& cost, double seconds) {
  return std::isfinite(cost.usd_per_hour) ? fmt::format("{:.2f}", 100 * cost.usd_per_hour * seconds / 3600) : "";
}

double all_seconds(const RunLog& log) {
  double seconds = 0;
  for (const StageLog& stage : log.stages) seconds += stage.seconds;
  return seconds;
}

}  // namespace

std::string report_summary(const RunLog& log) {
  const std::string name = text_or_empty(log.recipe, "name"), about = text_or_empty(log.recipe, "about");
  std::string out = fmt::format("<h1>{}</h1>\n", html_text(name.empty() ? "A training run" : name));
  if (!about.empty()) out += fmt::format("<p>{}</p>\n", html_text(about));
  out += stage_list(log) + "<div class=\"tiles\">\n" + change_tiles(log);
  const double seconds = all_seconds(log);
  if (seconds > 0)
    out += tile(duration(seconds), "of computing so far" + std::string(log.finished() ? ", all there is" : ""));
  if (const Cost cost = cost_of(log); std::isfinite(cost.usd_per_hour) && seconds > 0)
    out += tile(cents(cost, seconds) + " ¢", "on " + html_text(cost.machine));
  return out + "</div>\n";
}

std::string report_recipe(const RunLog& log) {
  if (!log.recipe.is_object()) return "";
  std::string out = "<section><h2>The recipe</h2>\n";
  if (const Json* sources = field_of(log.recipe, "sources"); sources != nullptr && sources->is_object())
    for (const auto& [key, source] : sources->items())
      out += fmt::format("<p class=\"soft\">{}</p>\n",
                         html_text(source.is_string() ? source.get<std::string>() : dump(source)));
  for (const StageLog& stage : log.stages) out += stage_recipe(stage.told);
  return out + "</section>\n";
}

std::string report_cost(const RunLog& log) {
  const Cost cost = cost_of(log);
  const bool priced = std::isfinite(cost.usd_per_hour);
  std::string out = fmt::format(
      "<section><h2>What it cost</h2>\n<div "
      "class=\"scroll\"><table><tr><th>stage</th><th>time</th><th>seconds</th><th>threads</th><th>core-hours</"
      "th><th>tokens</th>{}</tr>\n",
      priced ? "<th>US cents</th>" : "");
  double seconds = 0, core_hours = 0;
  for (const StageLog& stage : log.stages) {
    if (stage.seconds <= 0) continue;
    const double hours = stage.seconds * stage.threads / 3600;
    seconds += stage.seconds;
    core_hours += hours;
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{:.0f}</td><td>{}</td><td>{}</td><td>{}</td>{}</tr>\n",
                       html_text(stage.name.empty() ? "run" : stage.name), duration(stage.seconds), stage.seconds,
                       stage.threads > 0 ? std::to_string(stage.threads) : "",
                       stage.threads > 0 ? fmt::format("{:.3f}", hours) : "",
                       stage.tokens > 0 ? fmt::format("{}", stage.tokens) : "",
                       priced ? "<td>" + cents(cost, stage.seconds) + "</td>" : "");
  }
  if (seconds <= 0) return "";
  out += fmt::format(
      "<tr "
      "class=\"total\"><td>all</td><td>{}</td><td>{:.0f}</td><td></td><td>{}</td><td></td>{}</tr>\n</table></div>\n",
      duration(seconds), seconds, core_hours > 0 ? fmt::format("{:.3f}", core_hours) : "",
      priced ? "<td>" + cents(cost, seconds) + "</td>" : "");
  if (priced)
    out += fmt::format("<p class=\"soft\">{}: {} US dollars an hour. {}</p>\n", html_text(cost.machine),
                       cost.usd_per_hour, html_text(cost.source));
  if (core_hours > 0)
    out += fmt::format(
        "<p>DeepSeek-V3 took 2,788,000 H800 hours (5.576 million US dollars at 2 an hour; report, table 1); R1-Zero "
        "and R1 on top of it 147,000 hours (294,000 dollars; Nature "
        "645, 2025, supplementary table 4). This run: {:.3f} core-hours, a toy's share of the same stages, not of the "
        "same ability.</p>\n",
        core_hours);
  return out + "</section>\n";
}

std::string report_page(const RunLog& log, const ReportOptions& options) {
  const std::string name = text_or_empty(log.recipe, "name");
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n";
  out += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n";
  if (options.refresh_seconds > 0)
    out += fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">\n", options.refresh_seconds);
  out += fmt::format("<title>{}</title>\n<style>{}</style></head>\n<body><main>\n",
                     html_text(name.empty() ? "limpid: a training run" : "limpid: " + name), report_style());
  out += report_summary(log);
  for (const StageLog& stage : log.stages) out += report_evaluation(stage);
  for (const StageLog& stage : log.stages)
    out += report_reinforcement(stage) + report_training(stage) + report_traces(stage);
  return out + report_cost(log) + report_recipe(log) + "</main></body></html>\n";
}

bool write_report(const std::string& directory, const std::string& out, const ReportOptions& options) {
  const RunLog log = read_run(directory);
  ReportOptions shown = options;
  if (log.finished()) shown.refresh_seconds = 0;
  AtomicFile file(out);
  file.write(report_page(log, shown));
  file.commit();
  return log.finished();
}

}  // namespace limpid

// Curves and samples of a report: reinforcement, training, sampled traces.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "train/html.h"
#include "train/report.h"
#include "train/report_fields.h"
#include "train/svg_chart.h"
#include "train/verifier.h"

namespace limpid {

namespace {

using Json = nlohmann::json;
using Lines = std::vector<Json>;

// y may be a path of two, "families/chain".
ChartSeries series_of(const Lines& lines, const std::string& name, const char* x, const char* y,
                      const char* inner = nullptr) {
  ChartSeries series{name, {}, {}};
  for (const Json& line : lines) {
    const double at = number_in(line, x);
    if (!std::isfinite(at) || (!series.x.empty() && at < series.x.back())) continue;
    const Json* object = &line;
    if (inner != nullptr) {
      const auto found = line.find(y);
      if (found == line.end()) continue;
      object = &*found;
    }
    series.x.push_back(at);
    series.y.push_back(number_in(*object, inner != nullptr ? inner : y));
  }
  return series;
}

// The mean of about a twentieth of the run around each point, of at least 5 points.
ChartSeries smoothed(const ChartSeries& series, const std::string& name) {
  ChartSeries out{name, series.x, {}};
  const std::size_t n = series.y.size(), half = std::max<std::size_t>(2, n / 40);
  double sum = 0;
  std::size_t count = 0, from = 0, to = 0;  // the window [from, to)
  for (std::size_t i = 0; i < n; ++i) {
    for (; to < std::min(n, i + half + 1); ++to)
      if (std::isfinite(series.y[to])) sum += series.y[to], ++count;
    for (; from + half < i; ++from)
      if (std::isfinite(series.y[from])) sum -= series.y[from], --count;
    out.y.push_back(count > 0 ? sum / static_cast<double>(count) : NAN);
  }
  return out;
}

double told_steps(const StageLog& stage) {
  if (!stage.told.is_object() || !stage.told.contains("config") || !stage.told["config"].is_object()) return NAN;
  const Json& config = stage.told["config"];
  return config.contains("grpo") ? number_in(config["grpo"], "steps") : number_in(config, "steps");
}

std::optional<double> x_end(const StageLog& stage) {
  const double steps = told_steps(stage);
  return std::isfinite(steps) ? std::optional(steps) : std::nullopt;
}

bool varies(const ChartSeries& series) {
  return std::ranges::any_of(series.y, [](double y) { return std::isfinite(y) && y != 0; });
}

std::string rate_chart(const StageLog& stage, const char* title, const char* unit, const char* field, bool percent) {
  Chart chart{title,        "step", unit,   {series_of(stage.metrics, title, "step", field)}, {}, {},
              x_end(stage), false,  percent};
  if (percent) chart.low = 0, chart.high = 1;
  return svg_chart(chart);
}

std::string families_chart(const StageLog& stage) {
  std::set<std::string> families;
  for (const Json& line : stage.metrics)
    if (line.contains("families") && line["families"].is_object())
      for (const auto& [family, value] : line["families"].items()) families.insert(family);
  Chart chart{"Accuracy by family, smoothed", "step", "% right", {}, 0, 1, x_end(stage), false, true};
  for (const std::string& family : families) {
    if (chart.series.size() == 9) break;
    chart.series.push_back(smoothed(series_of(stage.metrics, family, "step", "families", family.c_str()), family));
  }
  return svg_chart(chart);
}

std::string reply_html(const std::string& reply) {
  const ReplyParts parts = take_apart(reply);
  std::string out;
  if (!parts.thinking.empty())
    out += fmt::format("<div class=\"think\">{}</div>", html_text(parts.thinking));
  else
    out += "<div class=\"think\">(answers at once)</div>";
  return out + fmt::format("<div class=\"answer\">{}</div>",
                           parts.answer.empty() ? "<span class=\"soft\">no answer</span>" : html_text(parts.answer));
}

std::string turn_html(const Json& sample, const std::string& when) {
  const bool right = sample.contains("correct") && sample["correct"] == true;
  return fmt::format(
      "<div class=\"turn\"><div class=\"when\">{}<br><span class=\"{}\">{}</span></div><div>{}</div></div>",
      html_text(when), right ? "right" : "wrong", right ? "right" : "wrong",
      reply_html(text_or_empty(sample, "reply")));
}

// The same problem before, half-way and after, the rest folded away.
std::string sample_html(const std::vector<const Json*>& samples) {
  const Json& first = *samples.front();
  std::string out =
      fmt::format("<div class=\"sample\"><p><b>{}</b> <span class=\"soft\">{}, {}; the answer is {}</span></p>",
                  html_text(text_or_empty(first, "prompt")), html_text(text_or_empty(first, "family")),
                  html_text(text_or_empty(first, "language")), html_text(text_or_empty(first, "answer")));
  const auto label = [](const Json& sample) {
    const double step = number_in(sample, "step");
    return step == 0 ? std::string("before") : fmt::format("after step {:.0f}", step);
  };
  const std::size_t middle = (samples.size() - 1) / 2, last = samples.size() - 1;
  std::string folded;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i == 0 || i == middle || i == last)
      out += turn_html(*samples[i], label(*samples[i]));
    else
      folded += turn_html(*samples[i], label(*samples[i]));
  }
  if (!folded.empty()) out += "<details><summary>and between</summary>" + folded + "</details>";
  return out + "</div>\n";
}

std::string samples_html(const StageLog& stage) {
  std::vector<std::string> prompts;
  std::map<std::string, std::vector<const Json*>> by_prompt;
  for (const Json& sample : stage.samples) {
    const std::string prompt = text_or_empty(sample, "prompt");
    if (by_prompt[prompt].empty()) prompts.push_back(prompt);
    by_prompt[prompt].push_back(&sample);
  }
  std::string out;
  for (const std::string& prompt : prompts) out += sample_html(by_prompt[prompt]);
  return out.empty() ? "" : "<h3>The same held-out problems, before, during and after</h3>\n" + out;
}

std::string heading(const StageLog& stage, const char* what) {
  return stage.name.empty() ? fmt::format("<h2>{}</h2>\n", what)
                            : fmt::format("<h2>{}: {}</h2>\n", html_text(stage.name), what);
}

}  // namespace

std::string report_reinforcement(const StageLog& stage) {
  if (stage.kind != "rl" || stage.metrics.empty()) return "";
  std::string out = heading(stage, "reinforcement") + "<div class=\"charts\">\n";
  out += rate_chart(stage, "Accuracy of the answers", "% right", "accuracy", true);
  out += rate_chart(stage, "Length of the answers", "tokens", "tokens", false);
  out += rate_chart(stage, "Answers that reason", "% of answers", "reasoned", true);
  out += families_chart(stage);
  out += rate_chart(stage, "Words of the thinking in the prompt's language, answers that think", "%", "language", true);
  out += rate_chart(stage, "Entropy of the tokens drawn", "nats a token", "entropy", false);
  if (varies(series_of(stage.metrics, "", "step", "kl")))
    out += rate_chart(stage, "Divergence from the reference", "nats a token", "kl", false);
  out += "</div>\n";
  return "<section>" + out + samples_html(stage) + "</section>\n";
}

std::string report_training(const StageLog& stage) {
  if (stage.metrics.empty() || stage.kind == "rl") return "";
  const auto series = [&](const char* name, const char* field) {
    return series_of(stage.metrics, name, "step", field);
  };
  const std::optional<double> end = x_end(stage);
  std::string out = heading(stage, stage.kind == "train" ? "training" : "fine-tuning") + "<div class=\"charts\">\n";
  const ChartSeries loss = series("a step", "loss"), mtp = series("the second next token (MTP)", "mtp_loss");
  Chart losses{"Loss", "step", "nats a token", {loss, smoothed(loss, "smoothed")}, {}, {}, end, true, false};
  if (varies(mtp)) losses.series.push_back(smoothed(mtp, "second next token (MTP)"));
  out += svg_chart(losses);
  const ChartSeries violation = series("MaxVio", "violation");
  if (varies(violation))
    out += svg_chart({"Balance of the experts: MaxVio, (most loaded - mean) / mean",
                      "step",
                      "MaxVio",
                      {violation, smoothed(violation, "smoothed")},
                      {},
                      {},
                      end});
  ChartSeries speed = series("tokens/s", "rows");
  const ChartSeries seconds = series("", "seconds");
  for (std::size_t i = 0; i < speed.y.size(); ++i)
    speed.y[i] = i < seconds.y.size() && seconds.y[i] > 0 ? speed.y[i] / seconds.y[i] : NAN;
  out += svg_chart({"Speed", "step", "tokens/s", {speed}, 0, {}, end});
  out += svg_chart({"Learning rate", "step", "rate", {series("rate", "rate")}, 0, {}, end});
  return "<section>" + out + "</div></section>\n";
}

std::string report_traces(const StageLog& stage) {
  if (!stage.traces.is_object()) return "";
  std::string out = heading(stage, "sampled traces");
  static constexpr std::pair<const char*, const char*> kCounts[] = {
      {"problems", "problems asked"},
      {"answers", "answers"},
      {"finished", "that ended by themselves"},
      {"correct", "right"},
      {"well_formed", "well formed"},
      {"reasoned", "that think"},
      {"one_language", "of these, in the prompt's language"},
      {"kept", "kept"},
      {"solved", "problems with one that is kept"}};
  out += "<table>";
  for (const auto& [field, what] : kCounts)
    if (const double n = number_in(stage.traces, field); std::isfinite(n))
      out += fmt::format("<tr><td>{}</td><td>{:.0f}</td></tr>", what, n);
  out += "</table>\n";
  std::string shown;
  for (const Json& trace : stage.kept)
    shown += fmt::format("<div class=\"sample\"><p><b>{}</b></p>{}</div>", html_text(text_or_empty(trace, "prompt")),
                         reply_html(text_or_empty(trace, "completion")));
  if (!shown.empty()) out += "<details><summary>The first of those that were kept</summary>" + shown + "</details>";
  return "<section>" + out + "</section>\n";
}

}  // namespace limpid

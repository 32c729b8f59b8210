#include "server/metrics.h"

#include <fmt/format.h>

#include <utility>

namespace limpid {

namespace {

constexpr std::pair<std::string_view, std::string_view> kHelp[] = {
    {"limpid_requests_total", "Requests answered, by route, method and status."},
    {"limpid_request_seconds", "From the arrival of a request to the end of its answer."},
    {"limpid_time_to_first_token_seconds", "From the submission of an answer to its first token."},
    {"limpid_answer_seconds", "From the submission of an answer to its end."},
    {"limpid_queue_seconds", "From the submission of an answer to its first computed row."},
    {"limpid_prompt_tokens_total", "Tokens of prompts, those found in the cache included."},
    {"limpid_cached_tokens_total", "Tokens of prompts that were found in the cache."},
    {"limpid_completion_tokens_total", "Tokens generated, the thinking included."},
    {"limpid_thinking_tokens_total", "Tokens generated inside the thinking."},
    {"limpid_answers", "Answers under way or kept to be resumed."},
    {"limpid_waiting_for_models", "Requests that wait for a model to be loaded."},
    {"limpid_engine_steps_total", "Steps of the engine."},
    {"limpid_engine_rows_total", "Rows that the engine computed."},
    {"limpid_engine_reused_tokens_total", "Positions taken from the prefix cache."},
    {"limpid_engine_preemptions_total", "Times that a sequence gave up its pages."},
    {"limpid_engine_busy_seconds_total", "Seconds that the engine computed."},
    {"limpid_engine_waiting", "Sequences that wait for the engine."},
    {"limpid_engine_running", "Sequences that the engine runs."},
    {"limpid_engine_pages", "Pages of the cache."},
    {"limpid_engine_free_pages", "Pages of the cache that hold nothing."},
    {"limpid_http_connections", "Open connections."},
    {"limpid_http_waiting", "Requests that wait for a worker."},
    {"limpid_http_accepted_total", "Connections accepted."},
    {"limpid_http_refused_total", "Connections and requests refused by a limit."},
    {"limpid_http_timeouts_total", "Connections cut because they were too slow."},
    {"limpid_http_bad_requests_total", "Requests that were no HTTP or over a limit of their size."},
};

void head(std::string& out, const std::string& name, std::string_view type) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, metric_help(name), name, type);
}

std::string braces(const std::string& labels) { return labels.empty() ? labels : "{" + labels + "}"; }

}  // namespace

std::string_view metric_help(std::string_view name) {
  for (const auto& [known, help] : kHelp)
    if (known == name) return help;
  return {};
}

void Metrics::count(const std::string& name, const std::string& labels, double value) {
  std::lock_guard lock(mutex_);
  counters_[name][labels] += value;
}

void Metrics::observe(const std::string& name, const std::string& labels, double seconds) {
  std::lock_guard lock(mutex_);
  Histogram& histogram = histograms_[name][labels];
  std::size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  ++histogram.counts[bucket];
  histogram.sum += seconds;
}

std::string Metrics::text(const std::vector<Sample>& samples) const {
  std::string out;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, series] : counters_) {
      head(out, name, "counter");
      for (const auto& [labels, value] : series) out += fmt::format("{}{} {}\n", name, braces(labels), value);
    }
    for (const auto& [name, series] : histograms_) {
      head(out, name, "histogram");
      for (const auto& [labels, histogram] : series) {
        const std::string before = labels.empty() ? "" : labels + ",";
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < kBounds.size(); ++i) {
          sum += histogram.counts[i];
          out += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, before, kBounds[i], sum);
        }
        sum += histogram.counts.back();
        out += fmt::format("{}_bucket{{{}le=\"+Inf\"}} {}\n", name, before, sum);
        out +=
            fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, braces(labels), histogram.sum, name, braces(labels), sum);
      }
    }
  }
  std::map<std::string, std::vector<const Sample*>> by_name;  // a family's lines stand together
  for (const Sample& sample : samples) by_name[sample.name].push_back(&sample);
  for (const auto& [name, family] : by_name) {
    head(out, name, family[0]->counter ? "counter" : "gauge");
    for (const Sample* sample : family) out += fmt::format("{}{} {}\n", name, braces(sample->labels), sample->value);
  }
  return out;
}

}  // namespace limpid

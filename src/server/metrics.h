// Metrics: counters and histograms of the service in Prometheus' text format (version 0.0.4). Names begin with
// "limpid_"; labels are few and bounded: routes and models, never accounts or anything that a request says.
//
// From any thread; an observation is one lock and one map look-up.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

class Metrics {
 public:
  // labels: 'route="/v1/models",status="200"' or empty, values without quotes and backslashes.
  void count(const std::string& name, const std::string& labels, double value = 1);
  void observe(const std::string& name, const std::string& labels, double seconds);

  // What is read only when somebody asks.
  struct Sample {
    std::string name, labels;
    double value = 0;
    bool counter = false;  // else a gauge
  };
  // Prometheus text: what was counted and observed, then the samples.
  std::string text(const std::vector<Sample>& samples) const;

 private:
  static constexpr std::array<double, 14> kBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
  struct Histogram {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, double>> counters_;  // name, labels
  std::map<std::string, std::map<std::string, Histogram>> histograms_;
};

// Help texts of every metric, by name; the test holds that each metric has one.
std::string_view metric_help(std::string_view name);

}  // namespace limpid

#include "app/training_runs.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "text/stream_parser.h"
#include "train/run_log.h"

namespace limpid {

namespace fs = std::filesystem;
namespace {

std::optional<RunLog> read_quietly(const fs::path& directory) {
  try {
    return read_run(directory.string());
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string stage_name(const StageLog& stage) { return stage.name.empty() ? "run" : stage.name; }

const char* state_of(const StageLog& stage) {
  return stage.finished ? "finished" : stage.begun ? "running" : "waiting";
}

// Columns that stand in the first lines, numbers only, `step` first; {"families": {"add": 1}} is "families.add".
void collect(const nlohmann::json& line, const std::string& prefix, std::vector<std::string>& columns,
             std::set<std::string>& seen) {
  for (const auto& [key, value] : line.items()) {
    const std::string name = prefix + key;
    if (value.is_object() && prefix.empty())
      collect(value, name + ".", columns, seen);
    else if (value.is_number() && seen.insert(name).second)
      columns.push_back(name);
  }
}

nlohmann::json value_at(const nlohmann::json& line, const std::string& column) {
  const std::size_t dot = column.find('.');
  const nlohmann::json* at = &line;
  if (dot != std::string::npos) {
    const auto inner = line.find(column.substr(0, dot));
    if (inner == line.end() || !inner->is_object()) return nullptr;
    at = &*inner;
  }
  const auto found = at->find(dot == std::string::npos ? column : column.substr(dot + 1));
  if (found == at->end() || !found->is_number() || !std::isfinite(found->get<double>())) return nullptr;
  return *found;
}

nlohmann::json sample_of(const nlohmann::json& line) {
  StreamParser parser({.thinks = true, .starts_thinking = false, .tools = ToolFormat::none});
  std::string thinking, answer;
  const auto take = [&](const std::vector<StreamEvent>& events) {
    for (const StreamEvent& event : events) {
      if (event.kind == StreamEvent::Kind::thinking) thinking += event.text;
      if (event.kind == StreamEvent::Kind::answer) answer += event.text;
      if (event.kind == StreamEvent::Kind::answer_was_thinking) thinking += std::exchange(answer, "");
    }
  };
  take(parser.push(line.value("reply", "")));
  take(parser.finish());
  return {{"step", line.value("step", 0)},
          {"prompt", line.value("prompt", "")},
          {"thinking", thinking},
          {"answer", answer},
          {"expected", line.value("answer", "")},
          {"reward", line.contains("correct") && line["correct"] == true ? 1.0 : 0.0}};
}

}  // namespace

nlohmann::json list_runs(const std::string& folder) {
  nlohmann::json runs = nlohmann::json::array();
  std::error_code error;
  std::vector<fs::path> directories;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory(error)) directories.push_back(entry.path());
  std::sort(directories.begin(), directories.end());
  for (const fs::path& directory : directories) {
    const std::optional<RunLog> log = read_quietly(directory);
    if (!log) continue;
    nlohmann::json stages = nlohmann::json::array();
    for (const StageLog& stage : log->stages)
      stages.push_back({{"name", stage_name(stage)}, {"kind", stage.kind}, {"state", state_of(stage)}});
    const nlohmann::json recipe =
        log->recipe.is_object() ? log->recipe.value("name", nlohmann::json(nullptr)) : nlohmann::json(nullptr);
    runs.push_back({{"name", directory.filename().string()}, {"recipe", recipe}, {"stages", stages}});
  }
  return {{"runs", runs}};
}

nlohmann::json run_curves(const std::string& folder, const std::string& run, const std::string& stage,
                          std::size_t most) {
  if (run.empty() || run.find('/') != std::string::npos || run.starts_with('.') ||
      !fs::is_directory(fs::path(folder) / run))
    fail(ErrorKind::not_found, "there is no run '{}'", run);
  const RunLog log = read_run((fs::path(folder) / run).string());
  const auto found =
      std::find_if(log.stages.begin(), log.stages.end(), [&](const StageLog& s) { return stage_name(s) == stage; });
  if (found == log.stages.end()) fail(ErrorKind::not_found, "run '{}': there is no stage '{}'", run, stage);
  const std::vector<nlohmann::json>& lines = found->metrics;
  std::vector<std::string> columns;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < lines.size(); i += std::max<std::size_t>(1, lines.size() / 50))
    if (lines[i].is_object()) collect(lines[i], "", columns, seen);
  std::stable_partition(columns.begin(), columns.end(), [](const std::string& c) { return c == "step"; });
  nlohmann::json rows = nlohmann::json::array();
  const std::size_t count = std::min(most, lines.size());
  for (std::size_t i = 1; i <= count; ++i) {
    const nlohmann::json& line = lines[i * lines.size() / count - 1];
    nlohmann::json row = nlohmann::json::array();
    for (const std::string& column : columns)
      row.push_back(line.is_object() ? value_at(line, column) : nlohmann::json(nullptr));
    rows.push_back(std::move(row));
  }
  nlohmann::json samples = nlohmann::json::array();
  for (const nlohmann::json& line : found->samples)
    if (line.is_object()) samples.push_back(sample_of(line));
  return {{"name", run}, {"stage", stage}, {"columns", columns}, {"rows", rows}, {"samples", samples}};
}

}  // namespace limpid

#include "train/run_log.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/json.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uintmax_t kLargestFile = std::uintmax_t{1} << 30;
constexpr std::size_t kKept = 12;  // traces that are shown

std::string text_in(const Json& object, const char* field) {
  const auto found = object.is_object() ? object.find(field) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// 0 where there is none, or one below 0 or beyond reason.
std::int64_t count_in(const Json& object, const char* field) {
  const double value = number_in(object, field);
  return value >= 0 && value < 1e18 ? static_cast<std::int64_t>(value) : 0;
}

// MODEL-REASONING.json; the order is that of the recipe, else of the names.
std::vector<StageEval> read_evals(const fs::path& folder, const Json& told) {
  static constexpr std::string_view kReasoning[] = {"free", "forced", "none"};
  std::vector<StageEval> evals;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().stem().string();
    const std::size_t dash = name.rfind('-');
    if (entry.path().extension() != ".json" || dash == std::string::npos) continue;
    const std::string reasoning = name.substr(dash + 1);
    if (std::ranges::find(kReasoning, reasoning) == std::end(kReasoning)) continue;
    Json report = read_json(entry.path().string());
    if (report.is_object() && report.contains("rows") && report["rows"].is_array())
      evals.push_back({name.substr(0, dash), reasoning, std::move(report)});
  }
  std::vector<std::string> order;
  if (told.is_object() && told.contains("of"))
    for (const Json& model : told["of"].is_array() ? told["of"] : Json::array({told["of"]}))
      if (model.is_string()) order.push_back(model.get<std::string>());
  const auto rank = [&](const StageEval& e) {
    return std::tuple(std::ranges::find(order, e.model) - order.begin(), e.model,
                      std::ranges::find(kReasoning, e.reasoning) - std::begin(kReasoning));
  };
  std::ranges::sort(evals, [&](const StageEval& a, const StageEval& b) { return rank(a) < rank(b); });
  return evals;
}

double sum_of(const std::vector<Json>& lines, std::initializer_list<const char*> fields) {
  double sum = 0;
  for (const Json& line : lines)
    for (const char* field : fields)
      if (const double value = number_in(line, field); std::isfinite(value)) sum += value;
  return sum;
}

bool is_finished(const fs::path& folder) {
  if (fs::exists(folder / "stage.json")) {
    const Json state = read_json((folder / "stage.json").string());
    return state.is_object() && state.contains("finished") && state["finished"] == true;
  }
  return fs::exists(folder / "model.safetensors");
}

StageLog read_stage(const fs::path& folder, const std::string& name, const Json& told) {
  StageLog stage;
  stage.name = name;
  stage.told = told;
  stage.kind = text_in(told, "kind");
  stage.begun = fs::exists(folder);
  if (!stage.begun) return stage;
  stage.finished = is_finished(folder);
  stage.metrics = read_json_lines((folder / "metrics.jsonl").string());
  stage.samples = read_json_lines((folder / "samples.jsonl").string());
  stage.evals = read_evals(folder, told);
  if (fs::exists(folder / "counts.json")) {
    stage.traces = read_json((folder / "counts.json").string());
    stage.kept = read_json_lines((folder / "traces.jsonl").string());
    if (stage.kept.size() > kKept) stage.kept.resize(kKept);
  }
  if (stage.kind.empty())
    stage.kind = !stage.metrics.empty() ? (stage.metrics[0].contains("accuracy") ? "rl" : "train")
                 : !stage.evals.empty() ? "eval"
                                        : "";
  stage.seconds = sum_of(stage.metrics, {"seconds", "rollout_seconds", "train_seconds"});
  stage.tokens = static_cast<std::int64_t>(std::clamp(sum_of(stage.metrics, {"rollout_tokens", "rows"}), 0.0, 1e18));
  for (const StageEval& e : stage.evals) stage.tokens += count_in(e.report, "generated");
  stage.tokens += count_in(stage.traces, "tokens");
  return stage;
}

// The recipe's stages, those left out that another recipe in the directory has.
void read_recipe(const std::string& directory, const std::string& path, RunLog& log) {
  const Json recipe = read_json(path);
  const auto stages = recipe.is_object() ? recipe.find("stages") : recipe.end();
  if (!recipe.is_object() || stages == recipe.end() || !stages->is_array())
    fail(ErrorKind::input, "{}: expected a recipe with stages", path);
  if (log.recipe.is_null()) log.recipe = recipe;
  for (const Json& told : *stages) {
    const std::string name = text_in(told, "stage");
    if (std::ranges::any_of(log.stages, [&](const StageLog& stage) { return stage.name == name; })) continue;
    log.stages.push_back(read_stage(fs::path(directory) / fs::path(name).filename(), name, told));
  }
}

// What the runner measured: longer than the steps alone, but it misses what was killed.
void add_times(const std::string& directory, std::vector<StageLog>& stages) {
  for (StageLog& stage : stages) {
    double seconds = 0;
    for (const Json& line : read_json_lines(directory + "/times.jsonl")) {
      if (text_in(line, "stage") != stage.name) continue;
      if (const double value = number_in(line, "seconds"); value > 0) seconds += value;
      stage.threads =
          std::max(stage.threads, static_cast<int>(std::min<std::int64_t>(count_in(line, "threads"), 1 << 20)));
    }
    stage.seconds = std::max(stage.seconds, seconds);
  }
}

}  // namespace

double number_in(const Json& object, const char* field) {
  if (!object.is_object()) return std::numeric_limits<double>::quiet_NaN();
  const auto found = object.find(field);
  return found != object.end() && found->is_number() ? found->get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::vector<Json> read_json_lines(const std::string& path) {
  std::vector<Json> lines;
  std::error_code none;
  const std::uintmax_t size = fs::file_size(path, none);
  if (none || size == 0) return lines;
  if (size > kLargestFile) fail(ErrorKind::input, "{}: {} bytes; a report reads at most {}", path, size, kLargestFile);
  const MappedFile file(path);
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;  // being written
    if (end > 0) {
      Json line = parse_json(text.substr(0, end), fmt::format("{}:{}", path, number));
      if (!line.is_object())
        fail(ErrorKind::input, "{}:{}: expected an object, found {}", path, number, line.type_name());
      lines.push_back(std::move(line));
    }
    text.remove_prefix(end + 1);
  }
  return lines;
}

bool RunLog::finished() const {
  return std::ranges::all_of(stages, [](const StageLog& stage) { return stage.finished || stage.kind == "report"; });
}

RunLog read_run(const std::string& directory) {
  RunLog log;
  log.directory = directory;
  if (!fs::is_directory(directory)) fail(ErrorKind::not_found, "{}: no such directory", directory);
  for (const char* name : {"/recipe.json", "/recipe-control.json"})
    if (fs::exists(directory + name)) read_recipe(directory, directory + name, log);
  if (log.recipe.is_null() && fs::exists(directory + "/metrics.jsonl")) {
    log.stages.push_back(read_stage(directory, "", nullptr));
  } else if (log.recipe.is_null()) {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory))
      if (entry.is_directory()) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    for (const std::string& name : names)
      if (StageLog stage = read_stage(fs::path(directory) / name, name, nullptr); !stage.kind.empty())
        log.stages.push_back(std::move(stage));
  }
  if (log.stages.empty())
    fail(ErrorKind::input, "{}: there is no recipe.json, no metrics.jsonl and no stage of a run in it", directory);
  add_times(directory, log.stages);
  // A report has no folder: it is the page that is made of this.
  for (StageLog& stage : log.stages)
    if (stage.kind == "report") stage.begun = stage.finished = log.finished();
  return log;
}

}  // namespace limpid

// What a run has left in its directory, for a report: metrics, samples and evaluations of each stage. Made to be read
// while the run is still writing: a last line that is not whole yet is left out. One thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace limpid {

struct StageEval {
  std::string model, reasoning;  // of MODEL-REASONING.json
  nlohmann::json report;
};

struct StageLog {
  std::string name;     // its folder's; "" for a directory that is one run itself
  std::string kind;     // as the recipe says; else by what is there: "train", "rl", "eval"
  nlohmann::json told;  // the recipe's stage; null without a recipe
  bool begun = false, finished = false;
  std::vector<nlohmann::json> metrics, samples;  // a line each
  std::vector<StageEval> evals;                  // in the order of the recipe's models
  std::vector<nlohmann::json> kept;              // examples of sampled traces
  nlohmann::json traces;                         // counts of a stage of sampling; null without
  double seconds = 0;                            // of computing, interruptions included
  std::int64_t tokens = 0;                       // trained on, or written
  int threads = 0;                               // 0: not known
};

struct RunLog {
  std::string directory;
  nlohmann::json recipe;  // null without
  std::vector<StageLog> stages;
  bool finished() const;  // every stage is
};

// Throws Error(not_found | input) for a directory that is not there or holds no run, and naming file and line for what
// is broken elsewhere than at its end.
RunLog read_run(const std::string& directory);

// The lines of a file of JSON objects; none where there is no file.
std::vector<nlohmann::json> read_json_lines(const std::string& path);

// A number of an object, NaN where it has none.
double number_in(const nlohmann::json& object, const char* field);

}  // namespace limpid

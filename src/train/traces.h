// Traces: a teacher's worked answers to problems, of which those are kept that a rule finds good (rejection sampling), as
// JSONL that training reads: {"prompt", "completion", "family", "language", "level", "sample", "answer", "tokens"}.
// Distillation and a recipe's stage of rejection sampling make their data so.
//
// Problem i is sample i of the mix's training side and its answers are numbered from i * samples: what is written is a
// function of (teacher, settings) and not of threads, chunks or interruptions. The file grows chunk by chunk; what is
// done stands in FILE.progress.json, and who is killed goes on from the last whole chunk.
//
// One thread calls it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "train/data_mix.h"

namespace limpid {

struct KernelTable;

// {"mix": "mix" | a family | "MIX.json" | {...}, "problems": 1000, "samples": 4, "keep": 1, "temperature": 1, ...}
struct TraceSettings {
  Mix mix;
  std::int64_t problems = 1000;
  int samples = 4;          // answers to each
  int keep = 1;             // most that are kept of a problem: the first good ones; 0: all
  bool correct = true;      // keep only right answers
  bool well_formed = true;  // ... in R1's form
  bool reasoned = true;     // ... whose thinking is not empty
  double language = 1;      // ... whose thinking has at least this share of the prompt's language
  double temperature = 1, top_p = 1;
  int max_tokens = 256;  // of an answer; a longer one is not kept
  int chunk = 64;        // problems between two writings
  int rows = 64;         // answers at a time (the engine)
  std::uint64_t seed = 1;

  // Throws Error(input) naming the field.
  static TraceSettings parse(const nlohmann::json& json, const std::string& name);
};

struct TeacherAnswer {
  std::string reply;      // in R1's form where the teacher thinks: "<think>\nthinking\n</think>\n\nanswer"
  int tokens = 0;         // generated, thinking included
  bool finished = false;  // else it was cut
};

class Teacher {
 public:
  virtual ~Teacher() = default;
  // `samples` answers to each problem, those of a problem together; answer s of problem p is numbered first + p * samples
  // + s. Throws Error(system) for a teacher that cannot be asked, Error(cancelled) where `stop` says so.
  virtual std::vector<TeacherAnswer> answer(std::span<const Sample> problems, std::uint64_t first,
                                            const TraceSettings& settings, const std::function<bool()>& stop) = 0;
  virtual nlohmann::json describe() const = 0;  // what a file of traces belongs to
};

// A model of this machine, by the engine, in batches: a directory of safetensors or a .gguf file, asked as its chat
// template says.
std::unique_ptr<Teacher> engine_teacher(const std::string& model, int threads, const KernelTable& kernels);
// An OpenAI-compatible endpoint: POST `url`/chat/completions, one request an answer. reasoning_content becomes the
// thinking. `key`: the bearer token; empty: none.
std::unique_ptr<Teacher> endpoint_teacher(const std::string& url, const std::string& model, const std::string& key);

struct TraceCounts {
  std::int64_t problems = 0, answers = 0, finished = 0, correct = 0, well_formed = 0, reasoned = 0, kept = 0,
               tokens = 0;
  std::int64_t one_language = 0;  // of those that think (reasoned): the prompt's language, by the settings' share
  std::int64_t solved = 0;        // problems of which something is kept
};

// As it stands in counts.json and in a file's progress: every count by its name.
nlohmann::ordered_json counts_json(const TraceCounts& counts);

struct TraceOptions {
  std::string out;                                   // the file
  bool resume = false;                               // go on with what is there; where there is nothing, begin
  std::function<void(const TraceCounts&)> progress;  // after each chunk
  std::function<bool()> stop;
};

struct TraceEnd {
  bool finished = false;
  TraceCounts counts;
};

// Throws Error(input) for a file that is there without `resume` or belongs to other settings or another teacher, naming
// the difference, Error(resources) for a full disk, and what the teacher throws; the chunks before are whole then.
TraceEnd make_traces(Teacher& teacher, const TraceSettings& settings, const TraceOptions& options);

}  // namespace limpid

#include "train/traces.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"
#include "train/append_file.h"
#include "train/fields.h"
#include "train/mix_field.h"
#include "train/verifier.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

TraceCounts counts_of(const Json& json) {
  TraceCounts c;
  const std::pair<const char*, std::int64_t*> fields[] = {{"problems", &c.problems},
                                                          {"answers", &c.answers},
                                                          {"finished", &c.finished},
                                                          {"correct", &c.correct},
                                                          {"well_formed", &c.well_formed},
                                                          {"reasoned", &c.reasoned},
                                                          {"one_language", &c.one_language},
                                                          {"kept", &c.kept},
                                                          {"tokens", &c.tokens},
                                                          {"solved", &c.solved}};
  for (const auto& [name, value] : fields) *value = json.at(name).get<std::int64_t>();
  return c;
}

// What a file of traces belongs to: everything that decides what is in it. `problems` may grow, and rows and chunk are a
// matter of speed.
Json describe(const Teacher& teacher, const TraceSettings& s) {
  Json mix = Json::array();
  for (const MixPart& part : s.mix.parts)
    mix.push_back({{"family", family_name(part.family)},
                   {"weight", part.weight},
                   {"levels", {part.least_level, part.most_level}},
                   {"chinese", part.chinese}});
  return {{"teacher", teacher.describe()}, {"mix", mix},
          {"samples", s.samples},          {"keep", s.keep},
          {"correct", s.correct},          {"well_formed", s.well_formed},
          {"reasoned", s.reasoned},        {"language", s.language},
          {"temperature", s.temperature},  {"top_p", s.top_p},
          {"max_tokens", s.max_tokens},    {"seed", s.seed}};
}

class Tracer {
 public:
  Tracer(Teacher& teacher, const TraceSettings& settings, const TraceOptions& options)
      : teacher_(teacher),
        settings_(settings),
        options_(options),
        progress_(options.out + ".progress.json"),
        told_(describe(teacher, settings)) {}

  TraceEnd run() {
    const std::uint64_t bytes = begin();
    AppendFile file(options_.out, bytes);
    while (counts_.problems < settings_.problems) {
      if (options_.stop && options_.stop()) return {false, counts_};
      try {
        file.add(chunk());
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::cancelled) throw;
        return {false, counts_};
      }
      write_progress(file.bytes());
      if (options_.progress) options_.progress(counts_);
    }
    return {true, counts_};
  }

 private:
  void write_progress(std::uint64_t bytes) const {
    AtomicFile progress(progress_);
    progress.write(Json({{"told", told_}, {"counts", counts_json(counts_)}, {"bytes", bytes}}).dump(1) + "\n");
    progress.commit();
  }

  // How much of the file is whole.
  std::uint64_t begin() {
    if (!fs::exists(progress_)) {
      if (fs::exists(options_.out) && fs::file_size(options_.out) > 0)
        fail(ErrorKind::input, "{}: it is there already, and is no file of traces (it has no {})", options_.out,
             progress_);
      write_progress(0);
      return 0;
    }
    if (!options_.resume)
      fail(ErrorKind::input, "{}: there are traces already: --resume goes on from them, another name begins anew",
           options_.out);
    const Json json = read_json(progress_);
    try {
      const Json before = json.at("told").flatten(), now = told_.flatten();
      for (const auto& [key, value] : now.items())
        if (!before.contains(key) || before[key] != value)
          fail(ErrorKind::input, "{}: traces of other settings: {} was {}, is {}", options_.out, key.substr(1),
               before.contains(key) ? before[key].dump() : "nothing", value.dump());
      counts_ = counts_of(json.at("counts"));
      const auto bytes = json.at("bytes").get<std::uint64_t>();
      if (bytes > 0 && (!fs::exists(options_.out) || fs::file_size(options_.out) < bytes))
        fail(ErrorKind::input, "{}: {} bytes are expected of it ({}): it was cut", options_.out, bytes, progress_);
      return bytes;
    } catch (const Json::exception& error) {
      fail(ErrorKind::input, "{}: {}", progress_, error.what());
    }
  }

  std::string chunk() {
    std::vector<Sample> problems;
    const std::int64_t first = counts_.problems, end = std::min(settings_.problems, first + settings_.chunk);
    for (std::int64_t i = first; i < end; ++i)
      problems.push_back(
          mixed_sample(settings_.mix, Split::train, settings_.seed, static_cast<std::uint64_t>(i)).sample);
    const auto samples = static_cast<std::size_t>(settings_.samples);
    const std::vector<TeacherAnswer> answers = teacher_.answer(
        problems, static_cast<std::uint64_t>(first) * samples, settings_,
        options_.stop ? options_.stop : [] { return false; });
    if (answers.size() != problems.size() * samples)
      fail(ErrorKind::system, "traces: {} answers to {} problems, expected {} each", answers.size(), problems.size(),
           samples);
    std::string lines;
    for (std::size_t p = 0; p < problems.size(); ++p) {
      int kept = 0;
      for (std::size_t s = 0; s < samples; ++s) {
        const TeacherAnswer& answer = answers[p * samples + s];
        if (!good(problems[p], answer) || (settings_.keep > 0 && kept == settings_.keep)) continue;
        ++kept;
        lines += line(problems[p], answer, first + static_cast<std::int64_t>(p)) + "\n";
      }
      counts_.kept += kept;
      counts_.solved += kept > 0 ? 1 : 0;
    }
    counts_.problems = end;
    return lines;
  }

  bool good(const Sample& problem, const TeacherAnswer& answer) {
    const Judgement judgement = judge(problem, answer.reply);
    const bool one_language = judgement.language_share >= settings_.language,
               reasoned = !take_apart(answer.reply).thinking.empty();
    ++counts_.answers;
    counts_.tokens += answer.tokens;
    counts_.finished += answer.finished ? 1 : 0;
    counts_.correct += answer.finished && judgement.correct ? 1 : 0;
    counts_.well_formed += answer.finished && judgement.well_formed ? 1 : 0;
    counts_.reasoned += answer.finished && reasoned ? 1 : 0;
    counts_.one_language +=
        answer.finished && reasoned && one_language ? 1 : 0;  // who answers at once chose no language
    return answer.finished && (judgement.correct || !settings_.correct) &&
           (judgement.well_formed || !settings_.well_formed) && one_language && (!settings_.reasoned || reasoned);
  }

  static std::string line(const Sample& problem, const TeacherAnswer& answer, std::int64_t index) {
    const nlohmann::ordered_json json = {{"prompt", problem.prompt},
                                         {"completion", answer.reply},
                                         {"family", family_name(problem.family)},
                                         {"language", language_name(problem.language)},
                                         {"level", problem.level},
                                         {"sample", index},
                                         {"answer", problem.answer},
                                         {"tokens", answer.tokens}};
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }

  Teacher& teacher_;
  const TraceSettings& settings_;
  const TraceOptions& options_;
  const std::string progress_;
  const Json told_;
  TraceCounts counts_;
};

}  // namespace

nlohmann::ordered_json counts_json(const TraceCounts& c) {
  return {{"problems", c.problems},
          {"answers", c.answers},
          {"finished", c.finished},
          {"correct", c.correct},
          {"well_formed", c.well_formed},
          {"reasoned", c.reasoned},
          {"one_language", c.one_language},
          {"kept", c.kept},
          {"solved", c.solved},
          {"tokens", c.tokens}};
}

TraceSettings TraceSettings::parse(const Json& json, const std::string& name) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  Fields fields(json, name);
  TraceSettings s;
  s.mix = read_mix_field(fields.any("mix"), fields.where("mix"));
  s.problems = fields.integer("problems", s.problems, 1, kMost);
  s.samples = static_cast<int>(fields.integer("samples", s.samples, 1, 4096));
  s.keep = static_cast<int>(fields.integer("keep", s.keep, 0, 4096));
  s.correct = fields.boolean("correct", s.correct);
  s.well_formed = fields.boolean("well_formed", s.well_formed);
  s.reasoned = fields.boolean("reasoned", s.reasoned);
  s.language = fields.number("language", s.language, 0, 1);
  s.temperature = fields.number("temperature", s.temperature, 0, 100);
  s.top_p = fields.number("top_p", s.top_p, 1e-6, 1);
  s.max_tokens = static_cast<int>(fields.integer("max_tokens", s.max_tokens, 1, 1 << 20));
  s.chunk = static_cast<int>(fields.integer("chunk", s.chunk, 1, 1 << 16));
  s.rows = static_cast<int>(fields.integer("rows", s.rows, 1, 4096));
  s.seed = static_cast<std::uint64_t>(fields.integer("seed", static_cast<std::int64_t>(s.seed), 0, INT64_MAX));
  fields.any("sources");  // for readers
  fields.done();
  return s;
}

TraceEnd make_traces(Teacher& teacher, const TraceSettings& settings, const TraceOptions& options) {
  return Tracer(teacher, settings, options).run();
}

}  // namespace limpid

#include "train/distill.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "train/fields.h"
#include "train/sft.h"

namespace limpid {

DistillConfig DistillConfig::read(const std::string& path) { return parse(read_json(path), path); }

DistillConfig DistillConfig::parse(const nlohmann::json& json, const std::string& path) {
  DistillConfig c;
  c.path = path;
  Fields fields(json, path);
  const nlohmann::json* traces = fields.any("traces");
  c.traces = TraceSettings::parse(traces != nullptr ? *traces : nlohmann::json::object(), fields.where("traces"));
  const nlohmann::json* run = fields.any("train");
  if (run == nullptr) fail(ErrorKind::input, "{}: there is no \"train\"", path);
  c.from_nothing = run->is_object() && run->contains("model");
  c.run = RunConfig::parse(*run, fields.where("train"), c.from_nothing ? RunKind::from_nothing : RunKind::fine_tuning);
  fields.any("sources");  // for readers
  fields.done();
  return c;
}

LoopEnd distil(const DistillConfig& config, Teacher& teacher, const DistillOptions& options) {
  if (config.from_nothing != options.student.empty())
    fail(ErrorKind::input, "{}: {}", config.path,
         config.from_nothing
             ? "train has a \"model\", so that the student begins from nothing: it takes no weights to begin with"
             : "train has no \"model\": weights to begin with are needed (--model)");
  const std::string traces = options.loop.out + "/traces.jsonl";
  std::filesystem::create_directories(options.loop.out);
  const TraceEnd end =
      make_traces(teacher, config.traces, {traces, options.loop.resume, options.traced, options.loop.stop});
  if (!end.finished) return {};
  if (end.counts.kept == 0)
    fail(ErrorKind::input,
         "{}: of {} answers of the teacher none is kept: {} ended, {} are right, {} well formed, {} in one language",
         traces, end.counts.answers, end.counts.finished, end.counts.correct, end.counts.well_formed,
         end.counts.one_language);
  const DataSpec data = DataSpec::parse(traces);
  return config.from_nothing ? train_model(config.run, data, options.loop)
                             : fine_tune(config.run, options.student, data, options.loop);
}

}  // namespace limpid

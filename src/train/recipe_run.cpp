#include "train/recipe_run.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"
#include "models/load.h"
#include "train/mix_tokenizer.h"
#include "train/recipe_state.h"
#include "train/report.h"
#include "train/sft.h"
#include "train/tokenizer_files.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Kind = RecipeStage::Kind;

constexpr std::uint64_t kEvalSeed = 0;  // the same problems whatever the recipe's seed
constexpr std::size_t kEvalRows = 512;

void write_text(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

class RecipeRun {
 public:
  RecipeRun(const Recipe& recipe, const RecipeOptions& options) : recipe_(recipe), options_(options) {
    check_recipe_directory(recipe, options.out);
    fs::create_directories(options.out);
    write_text(options.out + (recipe.control ? "/recipe-control.json" : "/recipe.json"), recipe.json->dump(1) + "\n");
  }

  // False: stopped.
  bool stage(const RecipeStage& stage) const {
    if (stage.kind == Kind::report) {
      if (options_.begin) options_.begin(stage);
      write_report(options_.out, options_.out + "/report.html");
      return true;
    }
    const Json described = describe_stage(recipe_, stage, options_.out);
    const StageState state = read_stage_state(folder(stage.name), described);
    if (state.begun && !options_.resume)
      fail(ErrorKind::input, "{}: this stage is there already: --resume goes on from it, another --out begins anew",
           folder(stage.name));
    if (state.finished && stage.kind != Kind::eval) return true;  // evaluations that are there are told again
    if (options_.begin) options_.begin(stage);
    fs::create_directories(folder(stage.name));
    if (!state.begun) write_stage_state(folder(stage.name), described, false);
    const auto begin = std::chrono::steady_clock::now();
    const bool finished = run(stage);
    if (finished && !state.finished) write_stage_state(folder(stage.name), described, true);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!state.finished) add_stage_time(options_.out, stage.name, seconds, options_.threads, finished);
    return finished;
  }

 private:
  std::string folder(const std::string& name) const { return options_.out + "/" + name; }
  bool stopped() const { return options_.stop && options_.stop(); }

  bool run(const RecipeStage& stage) const {
    switch (stage.kind) {
      case Kind::tokenizer:
        return tokenizer(stage);
      case Kind::train:
        return train_model(run_config(stage), data_of(stage), loop_options(stage)).finished;
      case Kind::sft:
        return fine_tune(run_config(stage), folder(stage.from), data_of(stage), loop_options(stage)).finished;
      case Kind::rl:
        return rl(stage);
      case Kind::sample:
        return sample(stage);
      case Kind::data:
        return generate(stage);
      case Kind::distill:
        return distill(stage);
      case Kind::eval:
        return evaluate_all(stage);
      case Kind::report:
        return true;
    }
    return true;
  }

  LoopOptions loop_options(const RecipeStage& stage) const {
    LoopOptions options = options_.train;
    options.out = folder(stage.name);
    options.resume = true;  // stage.json has said whether it may
    options.retry = retry(stage);
    options.threads = options_.threads;
    options.kernels = options_.kernels;
    options.stop = options_.stop;
    return options;
  }

  // What is told otherwise is another stage (recipe_state.h).
  std::string retry(const RecipeStage& stage) const {
    return fmt::format("in a copy of the recipe, remove {} and go on with the copy and --resume", folder(stage.name));
  }

  RunConfig run_config(const RecipeStage& stage) const {
    RunConfig config = *stage.run;
    if (!stage.tokenizer.empty()) config.tokenizer = folder(stage.tokenizer);
    return config;
  }

  DataSpec data_of(const RecipeStage& stage) const {
    std::string spec;
    for (const std::string& name : stage.data_stages)
      spec += (spec.empty() ? "" : ",") + folder(name) + "/traces.jsonl";
    if (stage.data && stage.data->is_string()) spec = stage.data->get<std::string>();
    if (stage.data && !stage.data->is_string()) {
      spec = folder(stage.name) + "/mix.json";
      write_text(spec, stage.data->dump(1) + "\n");
    }
    return DataSpec::parse(spec);
  }

  bool tokenizer(const RecipeStage& stage) const {
    TokenizerPlan plan;
    plan.vocabulary = static_cast<std::size_t>(stage.vocabulary);
    write_tokenizer(learn_tokenizer(stage.mix, stage.seed, static_cast<std::uint64_t>(stage.samples), plan),
                    folder(stage.name));
    return true;
  }

  bool rl(const RecipeStage& stage) const {
    RlOptions options = options_.rl;
    options.model = folder(stage.from);
    options.out = folder(stage.name);
    options.resume = true;
    options.retry = retry(stage);
    options.threads = options_.threads;
    options.kernels = options_.kernels;
    options.stop = options_.stop;
    return reinforce(*stage.rl, options).finished;
  }

  bool sample(const RecipeStage& stage) const {
    const std::unique_ptr<Teacher> teacher = engine_teacher(folder(stage.from), options_.threads, *options_.kernels);
    const TraceEnd end = make_traces(*teacher, *stage.traces,
                                     {folder(stage.name) + "/traces.jsonl", true, options_.traced, options_.stop});
    const TraceCounts& c = end.counts;
    if (end.finished) write_text(folder(stage.name) + "/counts.json", counts_json(c).dump(1) + "\n");
    if (end.finished && c.kept == 0)
      fail(ErrorKind::input,
           "stage \"{}\": of {} answers none is kept ({} ended, {} right, {} well formed): the model of \"{}\" is not "
           "good enough to learn from",
           stage.name, c.answers, c.finished, c.correct, c.well_formed, stage.from);
    return end.finished;
  }

  // Solutions of the generators themselves.
  bool generate(const RecipeStage& stage) const {
    AtomicFile file(folder(stage.name) + "/traces.jsonl");
    for (std::int64_t i = 0; i < stage.samples; ++i) {
      const MixedSample mixed = mixed_sample(stage.mix, Split::train, stage.seed, static_cast<std::uint64_t>(i));
      const nlohmann::ordered_json line = {
          {"prompt", mixed.sample.prompt}, {"completion", mixed.reply()}, {"family", family_name(mixed.sample.family)}};
      file.write(line.dump() + "\n");
      if (i % 1024 == 0 && stopped()) return false;
    }
    file.commit();
    return true;
  }

  bool distill(const RecipeStage& stage) const {
    DistillConfig config = *stage.distill;
    if (!stage.tokenizer.empty()) config.run.tokenizer = folder(stage.tokenizer);
    DistillOptions options;
    if (!stage.from.empty()) options.student = folder(stage.from);
    options.loop = loop_options(stage);
    options.traced = options_.traced;
    const std::unique_ptr<Teacher> teacher = engine_teacher(folder(stage.teacher), options_.threads, *options_.kernels);
    return distil(config, *teacher, options).finished;
  }

  bool evaluate_all(const RecipeStage& stage) const {
    for (const std::string& model : stage.of)
      if (!evaluate_model(stage, model)) return false;
    return true;
  }

  std::string eval_path(const RecipeStage& stage, const std::string& model, Reasoning reasoning) const {
    return fmt::format("{}/{}-{}.json", folder(stage.name), model, reasoning_name(reasoning));
  }

  bool evaluate_model(const RecipeStage& stage, const std::string& model) const {
    std::unique_ptr<Evaluator> evaluator;
    for (const Reasoning reasoning : stage.reasoning) {
      const std::string path = eval_path(stage, model, reasoning);
      EvalReport report;
      if (fs::exists(path)) {
        report = eval_from_json(read_json(path), path);
      } else {
        if (stopped()) return false;
        if (evaluator == nullptr) evaluator = std::make_unique<Evaluator>(*this, stage, model);
        try {
          report = evaluator->ask(model, reasoning);
        } catch (const Error& error) {
          if (error.kind() == ErrorKind::cancelled) return false;
          throw;
        }
        write_text(path, eval_json(report).dump(1) + "\n");
      }
      if (options_.evaluated) options_.evaluated(stage, model, reasoning, report);
    }
    return true;
  }

  // A model with the problems that it is asked.
  class Evaluator {
   public:
    Evaluator(const RecipeRun& run, const RecipeStage& stage, const std::string& model)
        : stage_(stage),
          watch_(run.options_),
          files_(ModelFiles::open(run.folder(model))),
          tokenizer_(Tokenizer::open(run.folder(model))),
          model_(load_model(files_, Precision::exact, run.options_.threads)),
          problems_(generate_suite(stage.mix, Split::held_out, kEvalSeed, stage.problems)) {
      std::size_t longest = 0;
      const PromptMaker forced = training_prompts(tokenizer_, Reasoning::none);  // the longest beginning
      for (const EvalProblem& problem : problems_) longest = std::max(longest, forced(problem.sample).ids.size());
      const int positions = std::min(files_.config().context, static_cast<int>(longest) + stage.max_tokens);
      engine_ = std::make_unique<Engine>(
          *model_, rollout_engine(kEvalRows, positions, CacheType::f32, run.options_.threads, *run.options_.kernels));
    }

    EvalReport ask(const std::string& model, Reasoning reasoning) {
      EvalOptions options;
      options.reasoning = reasoning;
      options.rollout.samples = stage_.k;
      options.rollout.max_tokens = stage_.max_tokens;
      options.rollout.sampling.temperature = static_cast<float>(stage_.temperature);
      options.rollout.sampling.top_p = static_cast<float>(stage_.top_p);
      options.rollout.stop_ids.assign(tokenizer_.end_ids().begin(), tokenizer_.end_ids().end());
      const std::size_t all = problems_.size() * static_cast<std::size_t>(stage_.k);
      options.rollout.progress = [&, all](std::size_t ended) {
        if (watch_.evaluating) watch_.evaluating(model, reasoning, ended, all);
        return !watch_.stop || !watch_.stop();
      };
      return evaluate(*engine_, tokenizer_, problems_, training_prompts(tokenizer_, reasoning), options);
    }

   private:
    const RecipeStage& stage_;
    const RecipeOptions& watch_;
    const ModelFiles files_;
    const Tokenizer tokenizer_;
    const std::unique_ptr<Model> model_;
    const std::vector<EvalProblem> problems_;
    std::unique_ptr<Engine> engine_;
  };

  const Recipe& recipe_;
  const RecipeOptions& options_;
};

}  // namespace

bool run_recipe(const Recipe& recipe, const RecipeOptions& options) {
  if (!options.only.empty() &&
      std::ranges::none_of(recipe.stages, [&](const RecipeStage& s) { return s.name == options.only; })) {
    std::string known;
    for (const RecipeStage& stage : recipe.stages) known += (known.empty() ? "" : ", ") + stage.name;
    fail(ErrorKind::input, "recipe {}: it has no stage \"{}\"; there are {}", recipe.name, options.only, known);
  }
  const RecipeRun run(recipe, options);
  for (const RecipeStage& stage : recipe.stages) {
    if (!options.only.empty() && stage.name != options.only) continue;
    if (!run.stage(stage)) return false;
  }
  return true;
}

}  // namespace limpid

#include "train/recipe.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"
#include "models/load.h"
#include "train/fields.h"

namespace limpid {

struct BuiltInRecipe {
  const char *name, *json;
};
extern const BuiltInRecipe kBuiltInRecipes[];
extern const std::size_t kBuiltInRecipeCount;

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uint64_t kEvalSeed = 0;  // the same problems whatever the recipe's seed

Reasoning reasoning_from(const std::string& name, const std::string& where) {
  for (const Reasoning reasoning : {Reasoning::free, Reasoning::forced, Reasoning::none})
    if (reasoning_name(reasoning) == name) return reasoning;
  fail(ErrorKind::input, "{}: expected free, forced or none, found \"{}\"", where, name);
}

std::vector<std::string> texts(Fields& fields, const char* field) {
  const Json* value = fields.any(field);
  if (value == nullptr) return {};
  std::vector<std::string> out;
  for (const Json& text : value->is_array() ? *value : Json::array({*value})) {
    if (!text.is_string()) fail(ErrorKind::input, "{}: expected texts, found {}", fields.where(field), text.dump());
    out.push_back(text.get<std::string>());
  }
  return out;
}

Json config_of(Fields& fields) {
  const Json* value = fields.any("config");
  if (value == nullptr || !value->is_object()) fail(ErrorKind::input, "{}: expected an object", fields.where("config"));
  return *value;
}

void read_train(Fields& fields, RecipeStage& stage, std::optional<std::uint64_t> seed) {
  const Json* data = fields.any("data");
  stage.data = std::make_shared<const Json>(data != nullptr ? *data : Json("mix"));
  if (!stage.data->is_string()) parse_mix(stage.data->dump(), fields.where("data"));
  Json config = config_of(fields);
  if (seed) config["seed"] = *seed;
  stage.run = RunConfig::parse(config, fields.where("config"));
}

void read_rl(Fields& fields, RecipeStage& stage, std::optional<std::uint64_t> seed) {
  stage.from = fields.text("from", "");
  Json config = config_of(fields);
  if (seed) config["grpo"]["seed"] = *seed;
  stage.rl = RlConfig::parse(config, fields.where("config"));
}

void read_eval(Fields& fields, RecipeStage& stage) {
  stage.of = texts(fields, "of");
  const Json* mix = fields.any("mix");
  stage.mix = mix == nullptr || *mix == "mix" ? default_mix() : parse_mix(mix->dump(), fields.where("mix"));
  stage.problems = static_cast<int>(fields.integer("problems", stage.problems, 1, 1 << 20));
  stage.k = static_cast<int>(fields.integer("k", stage.k, 1, 4096));
  stage.max_tokens = static_cast<int>(fields.integer("max_tokens", stage.max_tokens, 1, 1 << 20));
  if (!fields.has("reasoning")) return;
  stage.reasoning.clear();
  for (const std::string& name : texts(fields, "reasoning")) stage.reasoning.push_back(reasoning_from(name, fields.where("reasoning")));
}

RecipeStage read_stage(const Json& json, const std::string& where, const std::vector<RecipeStage>& before, std::optional<std::uint64_t> seed) {
  Fields fields(json, where);
  RecipeStage stage;
  stage.name = fields.text("stage", "");
  const bool plain = !stage.name.empty() && std::ranges::all_of(stage.name, [](char c) { return c == '-' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  if (!plain) fail(ErrorKind::input, "{}: expected letters a-z, digits and -, found \"{}\"", fields.where("stage"), stage.name);
  stage.kind = static_cast<RecipeStage::Kind>(fields.choice("kind", {"train", "rl", "eval"}, 0));
  if (stage.kind == RecipeStage::Kind::train) read_train(fields, stage, seed);
  if (stage.kind == RecipeStage::Kind::rl) read_rl(fields, stage, seed);
  if (stage.kind == RecipeStage::Kind::eval) read_eval(fields, stage);
  fields.any("sources");
  fields.done();
  std::vector<std::string> needed = stage.of;
  if (stage.kind == RecipeStage::Kind::rl) needed.push_back(stage.from);
  for (const std::string& name : needed)
    if (std::ranges::none_of(before, [&](const RecipeStage& s) { return s.name == name && s.kind != RecipeStage::Kind::eval; }))
      fail(ErrorKind::input, "{}: it builds on \"{}\", which is no model of a stage before it", where, name);
  return stage;
}

class RecipeRun {
 public:
  explicit RecipeRun(const RecipeOptions& options) : options_(options) {}

  bool stage(const RecipeStage& stage) {
    fs::create_directories(folder(stage.name));
    if (stage.kind == RecipeStage::Kind::train) return train(stage);
    if (stage.kind == RecipeStage::Kind::rl) return rl(stage);
    for (const std::string& model : stage.of) evaluate_model(stage, model);
    return true;
  }
  bool done(const RecipeStage& stage) const {
    return stage.kind != RecipeStage::Kind::eval && fs::exists(folder(stage.name) + "/model.safetensors");
  }

 private:
  std::string folder(const std::string& name) const { return options_.out + "/" + name; }

  bool train(const RecipeStage& stage) const {
    std::string spec = stage.data->is_string() ? stage.data->get<std::string>() : folder(stage.name) + "/mix.json";
    if (!stage.data->is_string()) {
      AtomicFile file(spec);
      file.write(stage.data->dump(1) + "\n");
      file.commit();
    }
    LoopOptions options = options_.train;
    options.out = folder(stage.name);
    options.resume = options_.resume;
    return train_model(*stage.run, DataSpec::parse(spec), options).finished;
  }

  bool rl(const RecipeStage& stage) const {
    RlOptions options = options_.rl;
    options.model = folder(stage.from);
    options.out = folder(stage.name);
    options.resume = options_.resume;
    return reinforce(*stage.rl, options).finished;
  }

  void evaluate_model(const RecipeStage& stage, const std::string& model) const {
    const ModelFiles files = ModelFiles::open(folder(model));
    const Tokenizer tokenizer = Tokenizer::open(folder(model));
    const std::unique_ptr<Model> loaded = load_model(files, Precision::exact, options_.train.threads);
    const std::vector<EvalProblem> problems = generate_suite(stage.mix, Split::held_out, kEvalSeed, stage.problems);
    std::size_t longest = 0;
    const PromptMaker forced = training_prompts(tokenizer, Reasoning::none);  // the longest beginning
    for (const EvalProblem& problem : problems) longest = std::max(longest, forced(problem.sample).ids.size());
    const int positions = std::min(files.config().context, static_cast<int>(longest) + stage.max_tokens);
    Engine engine(*loaded, rollout_engine(512, positions, CacheType::f32, options_.train.threads, *options_.train.kernels));
    for (const Reasoning reasoning : stage.reasoning) {
      EvalOptions options;
      options.reasoning = reasoning;
      options.rollout.samples = stage.k;
      options.rollout.max_tokens = stage.max_tokens;
      options.rollout.stop_ids.assign(tokenizer.end_ids().begin(), tokenizer.end_ids().end());
      if (options_.train.stop) options.rollout.progress = [this](std::size_t) { return !options_.train.stop(); };
      const EvalReport report = evaluate(engine, tokenizer, problems, training_prompts(tokenizer, reasoning), options);
      AtomicFile file(fmt::format("{}/{}-{}.json", folder(stage.name), model, reasoning_name(reasoning)));
      file.write(eval_json(report).dump(1) + "\n");
      file.commit();
      if (options_.evaluated) options_.evaluated(stage, model, reasoning, report);
    }
  }

  const RecipeOptions& options_;
};

}  // namespace

std::string_view reasoning_name(Reasoning reasoning) {
  return reasoning == Reasoning::forced ? "forced" : reasoning == Reasoning::none ? "none" : "free";
}

Recipe Recipe::parse(const Json& json, const std::string& path, std::optional<std::uint64_t> seed) {
  Recipe recipe;
  Fields fields(json, path);
  recipe.name = fields.text("name", "");
  recipe.about = fields.text("about", "");
  fields.any("sources");
  const Json* stages = fields.any("stages");
  if (stages == nullptr || !stages->is_array() || stages->empty()) fail(ErrorKind::input, "{}: expected a list", fields.where("stages"));
  for (std::size_t i = 0; i < stages->size(); ++i)
    recipe.stages.push_back(read_stage((*stages)[i], fmt::format("{}[{}]", fields.where("stages"), i), recipe.stages, seed));
  fields.done();
  return recipe;
}

Recipe Recipe::open(const std::string& name, std::optional<std::uint64_t> seed) {
  if (name.ends_with(".json")) return parse(read_json(name), name, seed);
  for (std::size_t i = 0; i < kBuiltInRecipeCount; ++i)
    if (name == kBuiltInRecipes[i].name) return parse(parse_json(kBuiltInRecipes[i].json, name), name, seed);
  std::string known;
  for (const std::string& other : built_in()) known += (known.empty() ? "" : ", ") + other;
  fail(ErrorKind::not_found, "'{}': there are the recipes {}, or a file that ends in .json", name, known);
}

std::vector<std::string> Recipe::built_in() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kBuiltInRecipeCount; ++i) names.emplace_back(kBuiltInRecipes[i].name);
  return names;
}

bool run_recipe(const Recipe& recipe, const RecipeOptions& options) {
  if (!options.only.empty() && std::ranges::none_of(recipe.stages, [&](const RecipeStage& s) { return s.name == options.only; }))
    fail(ErrorKind::input, "recipe {}: it has no stage \"{}\"", recipe.name, options.only);
  RecipeRun run(options);
  for (const RecipeStage& stage : recipe.stages) {
    if (!options.only.empty() && stage.name != options.only) continue;
    if (options.resume && run.done(stage)) continue;
    if (options.begin) options.begin(stage);
    if (!run.stage(stage)) return false;
  }
  return true;
}

}  // namespace limpid

#include "train/recipe.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "formats/json.h"
#include "train/fields.h"
#include "train/mix_field.h"
#include "train/recipe_data.h"

namespace limpid {

namespace {

using Json = nlohmann::json;
using Kind = RecipeStage::Kind;

constexpr std::int64_t kMostOfARecipe = std::int64_t{1} << 40;

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

const Json& config_of(Fields& fields) {
  const Json* value = fields.any("config");
  if (value == nullptr || !value->is_object()) fail(ErrorKind::input, "{}: expected an object", fields.where("config"));
  return *value;
}

std::string needed(Fields& fields, const char* field) {
  std::string text = fields.text(field, "");
  if (text.empty()) fail(ErrorKind::input, "{}: expected the name of a stage before this one", fields.where(field));
  return text;
}

// A mix, the text of a DataSpec, or a list of stages.
void read_data(Fields& fields, RecipeStage& stage) {
  const Json* data = fields.any("data");
  if (data != nullptr && data->is_array()) {
    stage.data_stages = texts(fields, "data");
    if (stage.data_stages.empty())
      fail(ErrorKind::input, "{}: expected stages that make data, found none", fields.where("data"));
    return;
  }
  stage.data = std::make_shared<const Json>(data != nullptr ? *data : Json("mix"));
  if (!stage.data->is_string()) parse_mix(stage.data->dump(), fields.where("data"));
}

void read_tokenizer(Fields& fields, RecipeStage& stage) {
  const Json* data = fields.any("data");
  stage.mix = read_mix_field(data, fields.where("data"));
  stage.vocabulary = fields.integer("vocabulary", stage.vocabulary, 300, 1 << 20);
  stage.samples = fields.integer("samples", stage.samples, 1, kMostOfARecipe);
  stage.seed = static_cast<std::uint64_t>(fields.integer("seed", 1, 0, INT64_MAX));
}

void read_generated(Fields& fields, RecipeStage& stage) {
  stage.mix = read_mix_field(fields.any("data"), fields.where("data"));
  stage.samples = fields.integer("samples", 2000, 1, kMostOfARecipe);
  stage.seed = static_cast<std::uint64_t>(fields.integer("seed", 1, 0, INT64_MAX));
}

void read_distill(Fields& fields, RecipeStage& stage) {
  stage.teacher = needed(fields, "teacher");
  stage.from = fields.text("from", "");
  stage.tokenizer = fields.text("tokenizer", "");
  stage.distill = DistillConfig::parse(config_of(fields), fields.where("config"));
  if (stage.distill->from_nothing != stage.from.empty())
    fail(ErrorKind::input,
         "{}: a student is trained from nothing (config.train.model) or from a stage's weights (from): expected one of "
         "them",
         fields.where("from"));
}

void read_eval(Fields& fields, RecipeStage& stage) {
  stage.of = texts(fields, "of");
  stage.mix = read_mix_field(fields.any("mix"), fields.where("mix"));
  stage.problems = static_cast<int>(fields.integer("problems", stage.problems, 1, 1 << 20));
  stage.k = static_cast<int>(fields.integer("k", stage.k, 1, 4096));
  stage.max_tokens = static_cast<int>(fields.integer("max_tokens", stage.max_tokens, 1, 1 << 20));
  stage.temperature = fields.number("temperature", stage.temperature, 0, 100);
  stage.top_p = fields.number("top_p", stage.top_p, 0, 1);
  if (!fields.has("reasoning")) return;
  stage.reasoning.clear();
  for (const std::string& name : texts(fields, "reasoning"))
    stage.reasoning.push_back(reasoning_from(name, fields.where("reasoning")));
}

void read_kind(Fields& fields, RecipeStage& stage) {
  static const std::vector<std::string_view> kKinds = {"tokenizer", "train",   "rl",   "sample", "data",
                                                       "sft",       "distill", "eval", "report"};
  if (!fields.has("kind"))
    fail(ErrorKind::input, "{}: expected one of {}", fields.where("kind"), fmt::join(kKinds, ", "));
  stage.kind = static_cast<Kind>(fields.choice("kind", kKinds, 0));
  switch (stage.kind) {
    case Kind::tokenizer:
      return read_tokenizer(fields, stage);
    case Kind::data:
      return read_generated(fields, stage);
    case Kind::distill:
      return read_distill(fields, stage);
    case Kind::eval:
      return read_eval(fields, stage);
    case Kind::report:
      return;
    case Kind::train:
      read_data(fields, stage);
      stage.tokenizer = fields.text("tokenizer", "");
      stage.run = RunConfig::parse(config_of(fields), fields.where("config"));
      return;
    case Kind::rl:
      stage.from = needed(fields, "from");
      stage.rl = RlConfig::parse(config_of(fields), fields.where("config"));
      return;
    case Kind::sample:
      stage.from = needed(fields, "from");
      stage.traces = TraceSettings::parse(config_of(fields), fields.where("config"));
      return;
    case Kind::sft:
      stage.from = needed(fields, "from");
      read_data(fields, stage);
      stage.run = RunConfig::parse(config_of(fields), fields.where("config"), RunKind::fine_tuning);
      return;
  }
}

void check_needs(const RecipeStage& stage, const std::string& where, const std::vector<RecipeStage>& before) {
  const auto check = [&](const std::vector<std::string>& names, const char* what, auto fits) {
    for (const std::string& name : names)
      if (std::ranges::none_of(before, [&](const RecipeStage& s) { return s.name == name && fits(s); }))
        fail(ErrorKind::input, "{}: it builds on \"{}\", which is no {} of a stage before it", where, name, what);
  };
  const auto model = [](const RecipeStage& s) { return s.makes_model(); };
  std::vector<std::string> models = stage.of;
  for (const std::string& name : {stage.from, stage.teacher})
    if (!name.empty()) models.push_back(name);
  check(models, "model", model);
  check(stage.data_stages, "data", [](const RecipeStage& s) { return s.makes_data(); });
  if (!stage.tokenizer.empty())
    check({stage.tokenizer}, "tokenizer",
          [](const RecipeStage& s) { return s.kind == Kind::tokenizer || s.makes_model(); });
}

RecipeStage read_stage(const Json& json, const std::string& where, const std::vector<RecipeStage>& before) {
  Fields fields(json, where);
  RecipeStage stage;
  stage.told = std::make_shared<const Json>(json);
  stage.name = fields.text("stage", "");
  stage.about = fields.text("about", "");
  const bool plain = !stage.name.empty() && std::ranges::all_of(stage.name, [](char c) {
    return c == '-' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
  if (!plain)
    fail(ErrorKind::input, "{}: expected letters a-z, digits and -, found \"{}\"", fields.where("stage"), stage.name);
  if (std::ranges::any_of(before, [&](const RecipeStage& s) { return s.name == stage.name; }))
    fail(ErrorKind::input, "{}: there are two stages \"{}\"", fields.where("stage"), stage.name);
  read_kind(fields, stage);
  fields.any("sources");
  fields.done();
  check_needs(stage, where, before);
  return stage;
}

// Puts the recipe's "parts" where stages name them, "@name".
void put_in_parts(Json& value, const Json& parts, const std::string& path) {
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (!text.starts_with("@")) return;
    const auto part = parts.find(text.substr(1));
    if (part == parts.end())
      fail(ErrorKind::input, "{}: \"{}\": the recipe's \"parts\" have no \"{}\"", path, text, text.substr(1));
    value = *part;
    return;
  }
  if (value.is_structured())
    for (Json& inner : value) put_in_parts(inner, parts, path);
}

// Named values, {} where there are none.
Json read_parts(Fields& fields, const char* field) {
  const Json* parts = fields.any(field);
  if (parts == nullptr) return Json::object();
  if (!parts->is_object()) fail(ErrorKind::input, "{}: expected an object", fields.where(field));
  return *parts;
}

// The control: rewards of every reinforcement go to answers by lot. Its stages and those that build on them have names
// of their own, so that they stand beside the others in a directory and share what comes before.
void make_control(Json& stages) {
  std::set<std::string> renamed;
  const auto rename = [&](Json& name) {
    if (name.is_string() && renamed.contains(name.get<std::string>())) name = name.get<std::string>() + "-control";
  };
  for (Json& stage : stages) {
    if (!stage.is_object()) continue;
    const Json before = stage;
    for (const char* field : {"from", "teacher", "tokenizer", "of", "data"}) {
      if (!stage.contains(field)) continue;
      if (stage[field].is_array())
        for (Json& name : stage[field]) rename(name);
      else
        rename(stage[field]);
    }
    const bool rl = stage.contains("kind") && stage["kind"] == "rl";
    if (rl && stage.contains("config") && stage["config"].is_object())
      stage["config"]["grpo"]["shuffle_rewards"] = true;
    if (stage == before || !stage.contains("stage") || !stage["stage"].is_string()) continue;
    const std::string name = stage["stage"].get<std::string>();
    stage["stage"] = name + "-control";
    renamed.insert(name);
  }
}

// Calls f for every seed of a stage, a reference to the JSON value.
template <typename F>
void each_seed(Json& value, const F& f) {
  if (value.is_array())
    for (Json& inner : value) each_seed(inner, f);
  if (!value.is_object()) return;
  for (auto& [name, inner] : value.items()) {
    if (name == "sources") continue;
    if (name == "seed" && inner.is_number_unsigned())
      f(inner);
    else
      each_seed(inner, f);
  }
}

// Kinds whose random numbers follow from a seed, and where it stands. What the file leaves out is 1, as everywhere.
void name_seeds(Json& stage) {
  const auto kind = stage.find("kind");
  if (kind == stage.end() || !kind->is_string()) return;
  const auto set = [](Json& object) {
    if (object.is_object() && !object.contains("seed")) object["seed"] = 1U;
  };
  if (*kind == "tokenizer" || *kind == "data") set(stage);
  if (!stage.contains("config") || !stage["config"].is_object()) return;
  Json& config = stage["config"];
  if (*kind == "train" || *kind == "sft" || *kind == "sample") set(config);
  if (*kind == "rl") set(config["grpo"]);
  if (*kind == "distill")
    for (const char* part : {"traces", "train"})
      if (config.contains(part)) set(config[part]);
}

void reseed(Json& stages, std::uint64_t seed) {
  std::uint64_t least = UINT64_MAX;
  for (Json& stage : stages)
    if (stage.is_object()) {
      name_seeds(stage);
      each_seed(stage, [&](const Json& value) { least = std::min(least, value.get<std::uint64_t>()); });
    }
  each_seed(stages, [&](Json& value) { value = seed + (value.get<std::uint64_t>() - least); });
}

void check_cost(Fields& fields) {
  const Json* cost = fields.any("cost");
  if (cost == nullptr) return;
  Fields price(*cost, fields.where("cost"));
  price.text("machine", "");
  price.number("usd_per_hour", 0, 0, 1e6);
  price.text("source", "");
  price.done();
}

}  // namespace

std::vector<std::string> RecipeStage::builds_on() const {
  std::vector<std::string> names = of;
  for (const std::string& stage : {from, teacher, tokenizer})
    if (!stage.empty()) names.push_back(stage);
  names.insert(names.end(), data_stages.begin(), data_stages.end());
  return names;
}

std::string_view reasoning_name(Reasoning reasoning) {
  return reasoning == Reasoning::forced ? "forced" : reasoning == Reasoning::none ? "none" : "free";
}

Recipe Recipe::parse(const Json& json, const std::string& path, const RecipeChoice& choice) {
  Recipe recipe;
  Fields fields(json, path);
  recipe.name = fields.text("name", "");
  recipe.about = fields.text("about", "");
  recipe.control = choice.control;
  fields.any("sources");
  check_cost(fields);
  fields.choice("products", {"bf16", "f32"}, 0);  // of a run's own copy: what was taken
  Json parts = read_parts(fields, "parts");
  const Json in_f32 = read_parts(fields, "parts_in_f32");
  for (const auto& [name, value] : in_f32.items()) {
    if (!parts.contains(name))
      fail(ErrorKind::input, "{}: \"{}\" is none of the recipe's \"parts\"", fields.where("parts_in_f32"), name);
    if (choice.f32) parts[name] = value;
  }
  recipe.knows_f32 = !in_f32.empty();
  recipe.in_f32 = recipe.knows_f32 && choice.f32;
  const Json* told = fields.any("stages");
  if (told == nullptr || !told->is_array() || told->empty())
    fail(ErrorKind::input, "{}: expected a list", fields.where("stages"));
  fields.done();
  Json stages = *told;
  put_in_parts(stages, parts, fields.where("stages"));
  if (choice.seed) reseed(stages, *choice.seed);
  if (choice.control) make_control(stages);
  for (std::size_t i = 0; i < stages.size(); ++i)
    recipe.stages.push_back(read_stage(stages[i], fmt::format("{}[{}]", fields.where("stages"), i), recipe.stages));
  Json whole = json;
  whole.erase("parts");
  whole.erase("parts_in_f32");
  if (recipe.knows_f32) whole["products"] = recipe.in_f32 ? "f32" : "bf16";
  whole["stages"] = std::move(stages);
  recipe.json = std::make_shared<const Json>(std::move(whole));
  return recipe;
}

Recipe Recipe::open(const std::string& name, const RecipeChoice& choice) {
  if (name.ends_with(".json")) return parse(read_json(name), name, choice);
  for (std::size_t i = 0; i < kBuiltInRecipeCount; ++i)
    if (name == kBuiltInRecipes[i].name) return parse(parse_json(kBuiltInRecipes[i].json, name), name, choice);
  std::string known;
  for (const std::string& other : built_in()) known += (known.empty() ? "" : ", ") + other;
  fail(ErrorKind::not_found, "'{}': there are the recipes {}, or a file that ends in .json", name, known);
}

std::vector<std::string> Recipe::built_in() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kBuiltInRecipeCount; ++i) names.emplace_back(kBuiltInRecipes[i].name);
  return names;
}

}  // namespace limpid

#include "train/recipe_state.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/atomic_file.h"
#include "formats/json.h"
#include "train/run_directory.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Kind = RecipeStage::Kind;

// What may change between stopping and going on.
void leave_out(Json& value) {
  if (value.is_array())
    for (Json& inner : value) leave_out(inner);
  if (!value.is_object()) return;
  for (const char* name : {"sources", "about", "checkpoint_steps"}) value.erase(name);
  for (auto& [name, inner] : value.items()) leave_out(inner);
}

// The first place where two values differ: its path and both values.
std::string difference(const Json& was, const Json& is, const std::string& path) {
  if (was.is_object() && is.is_object()) {
    for (const auto& [name, value] : was.items()) {
      const auto found = is.find(name);
      if (found == is.end() || *found != value)
        return found == is.end() ? fmt::format("{}{} was {} and is not told now", path, name, value.dump())
                                 : difference(value, *found, path + name + ".");
    }
    for (const auto& [name, value] : is.items())
      if (!was.contains(name)) return fmt::format("{}{} was not told then and is {}", path, name, value.dump());
  }
  return fmt::format("{} was {} and is {}", path.empty() ? path : path.substr(0, path.size() - 1), was.dump(),
                     is.dump());
}

[[noreturn]] void fail_otherwise(const std::string& folder, const std::string& what) {
  fail(ErrorKind::input,
       "{0}/stage.json: this stage was made otherwise: {1}. Remove {0} to make it anew, or use another --out", folder,
       what);
}

}  // namespace

std::string product_of(const RecipeStage& stage, const std::string& out) {
  const std::string folder = out + "/" + stage.name;
  if (stage.kind == Kind::tokenizer) return folder + "/tokenizer.json";
  if (stage.makes_data()) return folder + "/traces.jsonl";
  return folder + "/model.safetensors";
}

Json describe_stage(const Recipe& recipe, const RecipeStage& stage, const std::string& out) {
  Json told = *stage.told, from = Json::object();
  leave_out(told);
  for (const std::string& name : stage.builds_on()) {
    const auto needed = std::ranges::find_if(recipe.stages, [&](const RecipeStage& s) { return s.name == name; });
    const std::string path = product_of(*needed, out);
    if (!fs::exists(path))
      fail(ErrorKind::not_found, "{}: stage \"{}\" builds on stage \"{}\", which has to run first", path, stage.name,
           name);
    from[name] = file_hash(path);
  }
  return {{"told", told}, {"from", from}};
}

void check_recipe_directory(const Recipe& recipe, const std::string& out) {
  for (const char* name : {"/recipe.json", "/recipe-control.json"}) {
    const std::string path = out + name;
    if (!fs::exists(path)) continue;
    const Json was = read_json(path);
    const auto found = was.is_object() ? was.find("name") : was.end();
    if (found == was.end() || !found->is_string())
      fail(ErrorKind::input, "{}: expected a recipe with a \"name\"", path);
    if (*found != recipe.name)
      fail(ErrorKind::input, "{}: this is the directory of recipe \"{}\", not of \"{}\": use another --out", path,
           found->get<std::string>(), recipe.name);
  }
  for (const RecipeStage& stage : recipe.stages) {
    const std::string folder = out + "/" + stage.name;
    if (!fs::exists(folder + "/stage.json")) continue;
    const Json state = read_json(folder + "/stage.json");
    Json told = *stage.told;
    leave_out(told);
    if (state.is_object() && state.contains("told") && state["told"] != told)
      fail_otherwise(folder, difference(state["told"], told, "told."));
  }
}

StageState read_stage_state(const std::string& folder, const Json& described) {
  const std::string path = folder + "/stage.json";
  if (!fs::exists(path)) return {};
  Json state = read_json(path);
  if (!state.is_object() || !state.contains("finished") || !state["finished"].is_boolean())
    fail(ErrorKind::input, "{}: expected the state of a stage", path);
  const bool finished = state["finished"].get<bool>();
  state.erase("finished");
  if (state != described) fail_otherwise(folder, difference(state, described, ""));
  return {true, finished};
}

void write_stage_state(const std::string& folder, const Json& described, bool finished) {
  Json state = described;
  state["finished"] = finished;
  AtomicFile file(folder + "/stage.json");
  file.write(state.dump(1) + "\n");
  file.commit();
}

void add_stage_time(const std::string& out, const std::string& stage, double seconds, int threads, bool finished) {
  const nlohmann::ordered_json line = {
      {"stage", stage}, {"seconds", seconds}, {"threads", threads}, {"finished", finished}};
  std::ofstream file(out + "/times.jsonl", std::ios::app | std::ios::binary);
  file << line.dump() + "\n";
  file.close();
  if (!file) fail(ErrorKind::resources, "{}/times.jsonl: cannot be written", out);
}

}  // namespace limpid

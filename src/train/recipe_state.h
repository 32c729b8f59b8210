// What a stage of a recipe left of itself: stage.json in its directory. One thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/recipe.h"

namespace limpid {

// What a stage is a function of: what it was told (but for names, sources and how often it saves) and the hashes of
// what it builds on, which must be there. Throws Error(not_found) naming the stage that is to run first.
nlohmann::json describe_stage(const Recipe& recipe, const RecipeStage& stage, const std::string& out);

struct StageState {
  bool begun = false, finished = false;
};

// Throws Error(input) naming the difference where the stage in `folder` is another one.
StageState read_stage_state(const std::string& folder, const nlohmann::json& described);
void write_stage_state(const std::string& folder, const nlohmann::json& described, bool finished);

// Throws Error(input) where `out` is the directory of another recipe (by its recipe.json or recipe-control.json) or has a
// stage that was told otherwise, naming the difference: before anything in it is written.
void check_recipe_directory(const Recipe& recipe, const std::string& out);

// Appends a line to times.jsonl.
void add_stage_time(const std::string& out, const std::string& stage, double seconds, int threads, bool finished);

// The file of a stage that others build on: a model's weights, a tokenizer, data.
std::string product_of(const RecipeStage& stage, const std::string& out);

}  // namespace limpid

// The recipes that the program carries: recipes/*.json, made into recipe_data.cpp by the build.
#pragma once

#include <cstddef>

namespace limpid {

struct BuiltInRecipe {
  const char *name, *json;
};

extern const BuiltInRecipe kBuiltInRecipes[];
extern const std::size_t kBuiltInRecipeCount;

}  // namespace limpid

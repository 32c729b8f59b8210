// The store and the hub as the environment describes them: LIMPID_HOME, XDG_DATA_HOME, HF_ENDPOINT, HF_TOKEN, the
// proxies. Environment variables are read in app/ only.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/command.h"
#include "hub/hub_api.h"
#include "hub/store.h"

namespace limpid {

// Throws Error(input) where the environment names no place for one.
Store open_store();

// Nothing where the environment names no place for one.
std::optional<Store> find_store();

// What is in the store; nothing where there is no place for one. `problems` as in Store::list().
std::vector<StoredModel> stored_models(std::vector<std::string>* problems = nullptr);

// MODEL as every command takes it: a path, which needs no store, or a name in the store.
std::filesystem::path resolve_model(const std::string& model);

// ADAPTER of BASE+ADAPTER: a directory, or a name: that of a directory BASE-ADAPTER in the folder weights here or beside
// the program, or ADAPTER in the store's folder adapters. Of a published name ("smollm2-135m") its first part will do
// too. Throws Error(not_found) with the places.
std::filesystem::path resolve_adapter(const std::string& base, const std::string& adapter);

// BASE of BASE+ADAPTER where no file and no model has that name: the catalogue's model that the adapter of this directory
// says it is for (base_model_name_or_path), when its name begins so: "smollm2" of an adapter for
// HuggingFaceTB/SmolLM2-135M-Instruct is smollm2-135m. Nothing where there is none. Throws Error(input) for an
// adapter_config.json that cannot be read, Error(not_found) that says how to get a model that is known and not here.
std::optional<std::filesystem::path> resolve_adapters_base(const std::string& base,
                                                           const std::filesystem::path& adapter);

HubOptions hub_options(const Options& options, std::function<bool()> cancelled);

std::filesystem::path hugging_face_cache();

}  // namespace limpid

// The store and the hub as the environment describes them: LIMPID_HOME, XDG_DATA_HOME, HF_ENDPOINT, HF_TOKEN, the
// proxies. Environment variables are read in app/ only.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "app/command.h"
#include "hub/hub_api.h"
#include "hub/store.h"

namespace limpid {

Store open_store();

// MODEL as every command takes it: a path, or a name in the store.
std::filesystem::path resolve_model(const std::string& model);

HubOptions hub_options(const Options& options, std::function<bool()> cancelled);

std::filesystem::path hugging_face_cache();

}  // namespace limpid

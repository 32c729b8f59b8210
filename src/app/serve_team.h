// What `limpid serve --team` adds: the team of its data folder, told how full the engines are.
#pragma once

#include <memory>

#include "app/serve_settings.h"
#include "server/served_models.h"
#include "server/team.h"

namespace limpid {

// `models` must outlive the team.
std::shared_ptr<Team> open_team(const ServeSettings& settings, const ServedModels& models);

}  // namespace limpid

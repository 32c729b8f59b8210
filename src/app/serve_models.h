// The models of `limpid serve`, from its settings.
#pragma once

#include <memory>

#include "app/command.h"
#include "app/serve_settings.h"
#include "app/served_models.h"

namespace limpid {

std::unique_ptr<LocalModels> open_served_models(const ServeSettings& settings, const Context& context);

}  // namespace limpid

// ServeApp: what `limpid serve` has for the browser app: its files, and behind /api/ the models that fit,
// conversations, documents and training runs. Lives as long as the service whose routes it adds.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/app_host.h"
#include "app/command.h"
#include "app/serve_settings.h"
#include "server/app_routes.h"
#include "server/static_files.h"
#include "server/team.h"

namespace limpid {

class ServeApp {
 public:
  // pulled: a model has arrived in the store, from a thread of its own.
  ServeApp(const ServeSettings& settings, const Context& context, std::function<void(const std::string&)> pulled);

  // team: null without accounts.
  void add_routes(Router& router, const std::string& default_model, const std::shared_ptr<Team>& team);
  void clean(Team& team);  // conversations of accounts that were deleted; once in a while
  void forget_account(const std::string& account);

 private:
  const ServeSettings& settings_;
  StaticFiles files_;
  std::unique_ptr<History> history_;
  std::unique_ptr<DocumentIndex> documents_;
  MachineHost host_;
};

}  // namespace limpid

// The routes of a team under /api/, and /user/balance. docs/api.md describes them.
//
// Every route checks for itself who asks: by cookie (with X-CSRF-Token where it changes something) or by API key.
// Accounts and keys are managed by cookie only, or by an admin: a key that leaks makes no other keys.
#pragma once

#include <memory>

#include "server/router.h"
#include "server/team.h"

namespace limpid {

// The router keeps the team alive.
void register_team_routes(Router& router, const std::shared_ptr<Team>& team);

// Its parts.
void add_account_routes(Router& router, const std::shared_ptr<Team>& team);
void add_key_routes(Router& router, const std::shared_ptr<Team>& team);
void add_usage_routes(Router& router, const std::shared_ptr<Team>& team);
void add_admin_user_routes(Router& router, const std::shared_ptr<Team>& team);
void add_admin_service_routes(Router& router, const std::shared_ptr<Team>& team);

}  // namespace limpid

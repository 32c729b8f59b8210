// The routes of the browser app beyond the API: what the server is, which models fit, fetching one, conversations kept
// on the server, the reader's own documents, runs of training. Under /api/; docs/app.md lists them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "server/app_host.h"
#include "server/document_index.h"
#include "server/history.h"
#include "server/rate_limit.h"
#include "server/router.h"

namespace limpid {

// Who is signed in, where there are accounts.
struct AppUser {
  std::string name, role, tier;
  std::string csrf;                     // for the header X-CSRF-Token of requests that change something
  std::int64_t place = 0, waiting = 0;  // on the waiting list, of so many; place 0: let in
};

struct AppRouteOptions {
  std::string version;  // of the program
  std::string default_model;
  bool offline = false;
  bool team = false;
  std::function<std::optional<AppUser>(const ServedRequest&)> user;  // with accounts; none: nobody is signed in
  // Bytes of conversations, read and written, of an account: all of them twice, and then some for a running answer.
  RateLimitOptions history_rate{8.0 * (1 << 20), 128.0 * (1 << 20)};
};

// What the server has for the app; null: the feature is off, and its routes are not there. Documents and training runs
// are files of this machine: with accounts they are for admins only.
struct AppParts {
  AppHost* host = nullptr;
  History* history = nullptr;
  DocumentIndex* documents = nullptr;
};

void add_app_routes(Router& router, const AppRouteOptions& options, const AppParts& parts);

}  // namespace limpid

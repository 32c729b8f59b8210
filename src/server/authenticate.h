// Who sends a request: by API key (Authorization: Bearer, or x-api-key) or by the cookie of a browser's session. A key
// that is given counts alone: a wrong one is not made good by a cookie.
#pragma once

#include <string>

#include "server/accounts.h"
#include "server/admission.h"
#include "server/known_callers.h"

namespace limpid {

struct Caller {
  Account account;
  Identity identity;
};

class Authenticator {
 public:
  Authenticator(Storage& storage, Accounts& accounts, std::function<std::shared_ptr<const TeamConfig>()> config,
                WallClock clock)
      : storage_(storage), accounts_(accounts), config_(std::move(config)), clock_(std::move(clock)) {}

  // Throws 401; 403 for an account that is banned or waits (may_wait: let it through), and for a cookie with a method
  // other than GET, HEAD, OPTIONS and without the header X-CSRF-Token. From any thread.
  Caller authenticate(const ServedRequest& request, bool may_wait = false);
  // Whom the request's key or cookie belonged to when it was last shown, from memory; nobody: it was not, or was wrong.
  std::optional<KnownCaller> known(const ServedRequest& request) const;

 private:
  Caller check(const ServedRequest& request, bool may_wait);
  Caller by_key(std::string_view text);
  Caller by_cookie(const ServedRequest& request, const std::string& token);

  Storage& storage_;
  Accounts& accounts_;
  std::function<std::shared_ptr<const TeamConfig>()> config_;
  WallClock clock_;
  KnownCallers known_;
};

// Throws 403 where a key has scopes and not this one.
void require_scope(const Identity& identity, std::string_view scope);

std::string session_token(const ServedRequest& request);  // from the Cookie header; empty: none
// The Set-Cookie header that makes the browser keep the session for `seconds`; 0: forget it.
inline constexpr std::string_view kSessionCookie = "limpid_session";
std::string session_cookie(std::string_view token, std::int64_t seconds, bool tls);

}  // namespace limpid

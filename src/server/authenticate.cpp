#include "server/authenticate.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "server/api_error.h"
#include "server/secrets.h"

namespace limpid {

namespace {

bool equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return std::tolower(x) == std::tolower(y);
         });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The key that a request shows, of whatever form. False: it shows none.
bool shown_key(const ServedRequest& request, std::string_view* key) {
  if (const std::string_view header = trimmed(request.header("Authorization")); !header.empty()) {
    const std::size_t space = header.find(' ');
    const bool bearer = space != std::string_view::npos && equal_without_case(header.substr(0, space), "Bearer");
    *key = bearer ? trimmed(header.substr(space + 1)) : std::string_view();
    return true;
  }
  *key = trimmed(request.header("x-api-key"));
  return !key->empty();
}

// What identifies the sender, as known_ has it: a key, or the token of a cookie, which is none.
std::string shown_secret(const ServedRequest& request) {
  std::string_view key;
  if (shown_key(request, &key)) return std::string(key);
  const std::string token = session_token(request);
  return token.empty() ? token : "cookie " + token;
}

bool changes_state(std::string_view method) { return method != "GET" && method != "HEAD" && method != "OPTIONS"; }

Identity identity_of(const Account& account, const TeamConfig& config) {
  Identity identity;
  identity.account = account.id;
  identity.admin = account.role == Role::admin;
  identity.tier = account.tier;
  if (const auto tier = config.tiers.find(account.tier); tier != config.tiers.end()) {
    identity.priority = tier->second.priority;
    identity.context = tier->second.context;
  }
  return identity;
}

}  // namespace

Caller Authenticator::authenticate(const ServedRequest& request, bool may_wait) {
  const std::string secret = shown_secret(request);
  try {
    Caller caller = check(request, may_wait);
    known_.remember(secret, {caller.account.id, caller.account.tier});
    return caller;
  } catch (const ApiError&) {
    known_.forget(secret);
    throw;
  }
}

std::optional<KnownCaller> Authenticator::known(const ServedRequest& request) const {
  return known_.find(shown_secret(request));
}

Caller Authenticator::check(const ServedRequest& request, bool may_wait) {
  std::string_view key;
  Caller caller;
  if (shown_key(request, &key)) {
    caller = by_key(key);
  } else if (const std::string token = session_token(request); !token.empty()) {
    caller = by_cookie(request, token);
  } else {
    throw unauthorized("no API key: expected the header 'Authorization: Bearer sk-...'");
  }
  const Account& account = caller.account;
  if (account.status == AccountStatus::banned)
    throw forbidden("this account is banned" + (account.ban_reason.empty() ? "" : ": " + account.ban_reason));
  if (account.status == AccountStatus::waiting && !may_wait)
    throw forbidden("this account is on the waiting list; GET /api/waitlist shows its place");
  return caller;
}

Caller Authenticator::by_key(std::string_view text) {
  const std::string_view id = api_key_id(text);
  const std::string hash = sha256_hex(text);
  const std::optional<KeyAndOwner> found = id.empty() ? std::nullopt : storage_.key(std::string(id));
  const std::string nothing(64, '0');
  const bool right = equal_secrets(hash, found ? found->hash : nothing);
  if (!found || !right) throw unauthorized("the API key is wrong");
  if (found->key.revoked != 0) throw unauthorized(fmt::format("the API key sk-{}... has been revoked", id));
  if (found->key.expires != 0 && found->key.expires <= clock_())
    throw unauthorized(fmt::format("the API key sk-{}... has expired", id));
  Caller caller{found->account, identity_of(found->account, *config_())};
  caller.identity.key = found->key.id;
  caller.identity.scopes = found->key.scopes;
  // A key acts as an admin only where it was made to: one that leaks from a chat program opens nothing else.
  caller.identity.admin = caller.identity.admin && std::find(found->key.scopes.begin(), found->key.scopes.end(),
                                                             "admin") != found->key.scopes.end();
  return caller;
}

Caller Authenticator::by_cookie(const ServedRequest& request, const std::string& token) {
  const std::optional<BrowserSession> session = accounts_.session(token);
  if (!session) throw unauthorized("the session has ended; log in again");
  if (changes_state(request.method) && !equal_secrets(request.header("X-CSRF-Token"), csrf_token(token)))
    throw ApiError(403, "permission_error", "the header X-CSRF-Token is missing or wrong", {}, "invalid_csrf_token");
  Caller caller{session->account, identity_of(session->account, *config_())};
  caller.identity.key = session->id;
  caller.identity.session = true;
  return caller;
}

void require_scope(const Identity& identity, std::string_view scope) {
  if (identity.scopes.empty()) return;
  if (std::find(identity.scopes.begin(), identity.scopes.end(), scope) != identity.scopes.end()) return;
  throw forbidden(fmt::format("this API key has not the scope {}", scope));
}

std::string session_token(const ServedRequest& request) {
  std::string_view rest = request.header("Cookie");
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view pair = trimmed(rest.substr(0, end));
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == kSessionCookie)
      return std::string(pair.substr(equals + 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

// Lax: a link from elsewhere finds one logged in, but no other site's form or script sends the cookie with a POST.
std::string session_cookie(std::string_view token, std::int64_t seconds, bool tls) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{}", kSessionCookie, token, seconds,
                     tls ? "; Secure" : "");
}

}  // namespace limpid

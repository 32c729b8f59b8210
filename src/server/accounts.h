// Accounts: what people do with theirs: sign up, log in and out, change the password, make keys, leave. Every rule
// about who may is here, for the routes and for `limpid admin` alike; the storage only remembers.
//
// From any thread that may wait for the disk. Throws ApiError with the field that is wrong.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/password.h"
#include "server/secrets.h"
#include "server/storage.h"
#include "server/team_config.h"
#include "server/throttle.h"

namespace limpid {

struct AccountsOptions {
  PasswordOptions password;
  ThrottleOptions by_name_and_address;                       // wrong passwords for one name from one address
  ThrottleOptions by_name = {100, 1, 60, 60 * 60, 100'000};  // from anywhere: slows a botnet, locks nobody out for long
  ThrottleOptions by_address = {20, 1, 15 * 60, 60 * 60, 100'000};  // wrong passwords and codes, and sign-ups
  std::int64_t session_seconds = 30 * 86'400;                       // at most
  std::int64_t idle_session_seconds = 7 * 86'400;                   // without being used
  std::size_t keys_per_account = 100;                               // that are not revoked
};

struct LoggedIn {
  std::string token;  // of the cookie; only its hash is stored
  std::string csrf;   // to be sent back in a header, csrf_token(token)
  Account account;
  UnixSeconds expires = 0;
};

struct NewKey {
  ApiKey key;
  std::string text;  // shown this once
};

class Accounts {
 public:
  // `config` gives the configuration of the moment. All must outlive this.
  Accounts(Storage& storage, std::function<std::shared_ptr<const TeamConfig>()> config, WallClock clock,
           AccountsOptions options = {});

  // By an access code, or, without one, onto the waiting list (or in, where capacity allows).
  // 422: a field; 409: the name is taken; 403: a wrong code, or none and there is no waiting list; 429: too many tries.
  Account sign_up(const std::string& name, const std::string& password, const std::string& code,
                  const std::string& address);
  // 401: no such name or a wrong password, which cannot be told apart, by time either; 403: banned; 429.
  LoggedIn log_in(const std::string& name, const std::string& password, const std::string& address);
  // The session of a cookie's token, renewed by its use. None: unknown, expired, of a banned account.
  std::optional<BrowserSession> session(const std::string& token);
  // 401 where `old_password` is wrong. Ends all sessions.
  void change_password(const Account& account, const std::string& old_password, const std::string& new_password,
                       const std::string& address);
  void delete_own(const Account& account, const std::string& password, const std::string& address);

  // `expires` 0: never. Scopes: "chat", "models", "usage", "admin"; the last for admins only. 422, 403.
  NewKey create_key(const Account& owner, const std::string& name, const std::vector<std::string>& scopes,
                    UnixSeconds expires);

  // --- What an admin does ---
  Account create(const std::string& name, const std::string& password, const std::string& tier, Role role);
  std::string create_code(const AccessCode& code);  // id and created are filled in; returns the code, shown this once
  void set_password(const std::string& account, const std::string& password);
  std::vector<std::string> let_in_by_capacity();  // ids
  std::vector<std::string> let_in(std::int64_t most);
  std::int64_t capacity();                   // the setting, or the configuration's
  void set_capacity(std::int64_t capacity);  // lets in who now fits

  std::size_t passwords_at_once() const;

 private:
  void check_wait(const std::string& name, const std::string& address);
  void failed_login(const std::string& name, const std::string& address);
  void check_own_password(const Account& account, const std::string& password, const std::string& address);

  Storage& storage_;
  std::function<std::shared_ptr<const TeamConfig>()> config_;
  WallClock clock_;
  AccountsOptions options_;
  PasswordHasher hasher_;
  Throttle by_name_and_address_, by_name_, by_address_;
};

// What the page of a session sends with every request that changes something: another site's page can make the browser
// send the cookie, but can neither read this nor set a header.
std::string csrf_token(std::string_view session_token);

// Lower case; throws ApiError(422) where it is not 3 to 64 of a-z 0-9 . _ @ + - with a letter or digit first.
std::string normal_name(std::string_view name);

}  // namespace limpid

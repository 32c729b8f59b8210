#include "server/accounts.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "server/api_error.h"

namespace limpid {

namespace {

constexpr std::int64_t kTouchEvery = 300;  // seconds between writes of a session's last use
constexpr std::size_t kKeysInAll = 1000;   // of an account, revoked ones included

ApiError too_many_tries(std::int64_t wait) {
  return too_many_requests(fmt::format("too many failed tries; wait {} s", wait), static_cast<int>(wait));
}

ApiError wrong_login() {
  return {401, "authentication_error", "the name or the password is wrong", {}, "invalid_login"};
}

ApiError name_taken(const std::string& name) {
  return {409, "invalid_request_error", fmt::format("name: '{}' is taken", name), "name", "name_taken"};
}

std::string pair_of(const std::string& name, const std::string& address) { return name + " " + address; }

}  // namespace

Accounts::Accounts(Storage& storage, std::function<std::shared_ptr<const TeamConfig>()> config, WallClock clock,
                   AccountsOptions options)
    : storage_(storage),
      config_(std::move(config)),
      clock_(std::move(clock)),
      options_(options),
      hasher_(options.password),
      by_name_and_address_(options.by_name_and_address),
      by_name_(options.by_name),
      by_address_(options.by_address) {}

std::string csrf_token(std::string_view session_token) {
  return sha256_hex(std::string("limpid csrf ").append(session_token));
}

std::string normal_name(std::string_view name) {
  std::string normal(name);
  for (char& c : normal)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool fits = normal.size() >= 3 && normal.size() <= 64 && letter(normal.front()) &&
                    std::all_of(normal.begin(), normal.end(), [&](char c) {
                      return letter(c) || std::string_view("._@+-").find(c) != std::string_view::npos;
                    });
  if (!fits)
    throw bad_parameter(
        "name: expected 3 to 64 of a-z, 0-9, '.', '_', '@', '+', '-', beginning with a letter or a digit", "name");
  return normal;
}

Account Accounts::sign_up(const std::string& name, const std::string& password, const std::string& code,
                          const std::string& address) {
  const UnixSeconds now = clock_();
  const std::string group = address_group(address);
  if (const std::int64_t wait = by_address_.wait(group, now); wait > 0) throw too_many_tries(wait);
  NewAccount account;
  account.name = normal_name(name);
  check_password_form(password);
  const std::shared_ptr<const TeamConfig> config = config_();
  if (code.empty() && !config->waiting_list)
    throw forbidden("code: an access code is needed to sign up here; ask whoever runs this service");
  account.tier = config->default_tier;
  account.code = code;
  account.capacity = capacity();
  account.most_waiting = config->most_waiting;
  // Each sign-up counts like a failure: a name cannot be hunted for, nor the list be filled, faster than a login
  // guessed.
  by_address_.failed(group, now);
  account.password_hash = hasher_.hash(password);
  const SignUpResult result = storage_.create_account(account, now);
  if (result.outcome == SignUp::name_taken) throw name_taken(account.name);
  if (result.outcome == SignUp::wrong_code)
    throw ApiError(403, "permission_error", "code: it is unknown, expired or used up", "code", "invalid_code");
  if (result.outcome == SignUp::list_full) throw forbidden("the waiting list is full; come back later");
  return result.account;
}

void Accounts::check_wait(const std::string& name, const std::string& address) {
  const UnixSeconds now = clock_();
  const std::int64_t wait = std::max({by_name_and_address_.wait(pair_of(name, address), now), by_name_.wait(name, now),
                                      by_address_.wait(address, now)});
  if (wait > 0) throw too_many_tries(wait);
}

void Accounts::failed_login(const std::string& name, const std::string& address) {
  const UnixSeconds now = clock_();
  by_name_and_address_.failed(pair_of(name, address), now);
  by_name_.failed(name, now);
  by_address_.failed(address, now);
}

LoggedIn Accounts::log_in(const std::string& name, const std::string& password, const std::string& address) {
  // A name that cannot be one is as wrong as one that is not there, and a long password is not hashed.
  if (name.size() > 64 || password.size() > 256) throw wrong_login();
  std::string normal(name);
  for (char& c : normal)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const std::string group = address_group(address);
  check_wait(normal, group);

  const std::optional<Account> account = storage_.account_by_name(normal);
  // Without an account the lookup still happens and the hash is still computed.
  const std::string stored = storage_.password_hash(account ? account->id : "");
  const PasswordCheck check = hasher_.check(password, stored);
  if (!check.right || !account) {
    failed_login(normal, group);
    throw wrong_login();
  }
  by_name_and_address_.succeeded(pair_of(normal, group));
  if (account->status == AccountStatus::banned)
    throw forbidden("this account is banned" + (account->ban_reason.empty() ? "" : ": " + account->ban_reason));
  try {
    if (check.stale) storage_.set_password(account->id, hasher_.hash(password), false);
  } catch (const ApiError&) {  // too many at the same time: at the next login, then
  }

  LoggedIn result;
  result.token = random_hex(32);
  result.csrf = csrf_token(result.token);
  result.account = *account;
  BrowserSession session;
  session.id = "ses_" + random_hex(8);
  session.token_hash = sha256_hex(result.token);
  session.account = *account;
  session.created = session.seen = clock_();
  session.expires = result.expires = session.created + options_.session_seconds;
  storage_.create_session(session);
  return result;
}

std::optional<BrowserSession> Accounts::session(const std::string& token) {
  if (token.size() != 64) return std::nullopt;
  const std::string hash = sha256_hex(token);
  std::optional<BrowserSession> session = storage_.session(hash);
  const UnixSeconds now = clock_();
  if (!session || !equal_secrets(session->token_hash, hash) || session->expires <= now ||
      session->seen + options_.idle_session_seconds <= now || session->account.status == AccountStatus::banned)
    return std::nullopt;
  if (now - session->seen >= kTouchEvery) storage_.touch_session(session->id, now);
  return session;
}

void Accounts::check_own_password(const Account& account, const std::string& password, const std::string& address) {
  const std::string group = address_group(address);
  check_wait(account.name, group);
  if (password.size() <= 256 && hasher_.check(password, storage_.password_hash(account.id)).right) return;
  failed_login(account.name, group);
  throw ApiError(401, "authentication_error", "the password is wrong", "password", "invalid_login");
}

void Accounts::change_password(const Account& account, const std::string& old_password, const std::string& new_password,
                               const std::string& address) {
  check_password_form(new_password);
  check_own_password(account, old_password, address);
  storage_.set_password(account.id, hasher_.hash(new_password), true);
}

void Accounts::delete_own(const Account& account, const std::string& password, const std::string& address) {
  check_own_password(account, password, address);
  storage_.delete_account(account.id, clock_(), account.id);
  let_in_by_capacity();
}

NewKey Accounts::create_key(const Account& owner, const std::string& name, const std::vector<std::string>& scopes,
                            UnixSeconds expires) {
  constexpr std::string_view known[] = {"chat", "models", "usage", "admin"};
  if (name.size() > 100) throw bad_parameter("name: expected at most 100 bytes", "name");
  for (const std::string& scope : scopes) {
    if (std::find(std::begin(known), std::end(known), scope) == std::end(known))
      throw bad_parameter(fmt::format("scopes: expected chat, models, usage or admin, found '{}'", scope.substr(0, 40)),
                          "scopes");
    if (scope == "admin" && owner.role != Role::admin)
      throw forbidden("scopes: only an admin's key can have the scope admin");
  }
  const UnixSeconds now = clock_();
  if (expires != 0 && expires <= now) throw bad_parameter("expires: expected a time to come, or 0", "expires");
  if (owner.status != AccountStatus::active) throw forbidden("the account is not active yet: it has no keys");
  const std::vector<ApiKey> keys = storage_.keys(owner.id);
  const auto usable = std::count_if(keys.begin(), keys.end(), [](const ApiKey& key) { return key.revoked == 0; });
  if (static_cast<std::size_t>(usable) >= options_.keys_per_account || keys.size() >= kKeysInAll)
    throw too_many_requests(fmt::format("an account can have {} keys; revoke one first", options_.keys_per_account), 0);
  const ApiKeyText text = make_api_key();
  NewKey made;
  made.key = {text.id, owner.id, name, scopes, now, expires, 0, 0};
  made.text = text.text;
  storage_.create_key(made.key, text.hash);
  return made;
}

Account Accounts::create(const std::string& name, const std::string& password, const std::string& tier, Role role) {
  check_password_form(password);
  NewAccount account;
  account.name = normal_name(name);
  account.tier = tier.empty() ? config_()->default_tier : tier;
  config_()->tier(account.tier);  // throws where there is none
  account.role = role;
  account.password_hash = hasher_.hash(password);
  const SignUpResult result = storage_.create_account(account, clock_());
  if (result.outcome == SignUp::name_taken) throw name_taken(account.name);
  return result.account;
}

std::string Accounts::create_code(const AccessCode& wanted) {
  config_()->tier(wanted.tier);
  if (wanted.uses_left < 1 || wanted.uses_left > 1'000'000) throw bad_parameter("uses: expected 1 to 1000000", "uses");
  if (wanted.credit < 0 || wanted.credit > kMostMicros) throw bad_parameter("credit: expected 0 to 1e9", "credit");
  AccessCode code = wanted;
  code.created = clock_();
  if (code.expires != 0 && code.expires <= code.created)
    throw bad_parameter("expires: expected a time to come, or 0", "expires");
  const std::string text = random_code();
  code.id = "code_" + random_hex(6);
  storage_.create_code(code, sha256_hex(text));
  return text;
}

void Accounts::set_password(const std::string& account, const std::string& password) {
  check_password_form(password);
  if (!storage_.set_password(account, hasher_.hash(password), true))
    throw not_found(fmt::format("account: there is no {}", account));
}

std::int64_t Accounts::capacity() {
  if (const std::optional<std::string> text = storage_.setting("capacity")) {
    std::int64_t value = 0;
    if (std::from_chars(text->data(), text->data() + text->size(), value).ec == std::errc()) return value;
  }
  return config_()->capacity;
}

void Accounts::set_capacity(std::int64_t capacity) {
  storage_.set_setting("capacity", std::to_string(capacity));
  let_in_by_capacity();
}

std::vector<std::string> Accounts::let_in_by_capacity() { return storage_.let_in(capacity(), 1'000'000); }

std::vector<std::string> Accounts::let_in(std::int64_t most) { return storage_.let_in(-1, most); }

std::size_t Accounts::passwords_at_once() const { return static_cast<std::size_t>(hasher_.most_at_once()); }

}  // namespace limpid

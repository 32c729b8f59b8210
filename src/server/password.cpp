#include "server/password.h"

#include <argon2.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "server/api_error.h"
#include "server/secrets.h"

namespace limpid {

namespace {

constexpr std::size_t kSaltBytes = 16, kHashBytes = 32;

std::string parameters_of(const PasswordOptions& options) {
  return fmt::format("$argon2id$v=19$m={},t={},p={}$", options.memory_kib, options.passes, options.lanes);
}

}  // namespace

struct PasswordHasher::State {
  PasswordOptions options;
  std::string parameters;
  std::string nobody;  // the hash that stands in for an account that is not there
  std::mutex mutex;
  int working = 0, most = 0;

  // A place among those at work.
  class Place {
   public:
    explicit Place(State& state) : state_(state) {
      const std::lock_guard lock(state_.mutex);
      if (state_.working >= state_.options.concurrent)
        throw overloaded("too many logins at the same time; try again in a second", 1);
      state_.most = std::max(state_.most, ++state_.working);
    }
    ~Place() {
      const std::lock_guard lock(state_.mutex);
      --state_.working;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    State& state_;
  };

  std::string hash(std::string_view password) const {
    const std::string salt = random_hex(kSaltBytes / 2);  // as many characters as bytes are wanted
    std::string encoded(
        argon2_encodedlen(options.passes, options.memory_kib, options.lanes, kSaltBytes, kHashBytes, Argon2_id), '\0');
    const int result =
        argon2id_hash_encoded(options.passes, options.memory_kib, options.lanes, password.data(), password.size(),
                              salt.data(), salt.size(), kHashBytes, encoded.data(), encoded.size());
    if (result == ARGON2_MEMORY_ALLOCATION_ERROR)
      fail(ErrorKind::resources, "hashing a password: no {} KiB of memory", options.memory_kib);
    if (result != ARGON2_OK) fail(ErrorKind::system, "hashing a password: {}", argon2_error_message(result));
    encoded.resize(encoded.find('\0'));
    return encoded;
  }
};

PasswordHasher::PasswordHasher(PasswordOptions options) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->parameters = parameters_of(options);
  state_->nobody = state_->hash(random_hex(32));
}

PasswordHasher::~PasswordHasher() = default;

std::string PasswordHasher::hash(std::string_view password) {
  const State::Place place(*state_);
  return state_->hash(password);
}

PasswordCheck PasswordHasher::check(std::string_view password, const std::string& stored) {
  const State::Place place(*state_);
  const std::string& against = stored.empty() ? state_->nobody : stored;
  const int result = argon2id_verify(against.c_str(), password.data(), password.size());
  if (result == ARGON2_MEMORY_ALLOCATION_ERROR)
    fail(ErrorKind::resources, "checking a password: no memory for {}", against.substr(0, 30));
  PasswordCheck check;
  check.right = result == ARGON2_OK && !stored.empty();
  check.stale = check.right && !stored.starts_with(state_->parameters);
  return check;
}

int PasswordHasher::most_at_once() const {
  const std::lock_guard lock(state_->mutex);
  return state_->most;
}

void check_password_form(std::string_view password) {
  if (password.size() < 8 || password.size() > 256)
    throw bad_parameter(fmt::format("password: expected 8 to 256 bytes, found {}", password.size()), "password");
}

}  // namespace limpid

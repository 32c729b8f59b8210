// Passwords by argon2id (RFC 9106). Each stored text carries its own salt and parameters, so that raising the
// parameters leaves old ones valid; they are hashed anew at the next login.
//
// A hash takes megabytes on purpose. How many run at once is bounded, and what comes beyond that is refused at once
// (503): a flood of logins costs at most concurrent * memory_kib and never holds more than that many workers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace limpid {

struct PasswordOptions {
  std::uint32_t memory_kib = 19 * 1024;  // OWASP's advice for argon2id: 19 MiB, 2 passes, 1 lane
  std::uint32_t passes = 2;
  std::uint32_t lanes = 1;
  int concurrent = 2;
};

struct PasswordCheck {
  bool right = false;
  bool stale = false;  // hashed with other parameters than those of today
};

class PasswordHasher {
 public:
  explicit PasswordHasher(PasswordOptions options = {});
  ~PasswordHasher();
  PasswordHasher(const PasswordHasher&) = delete;
  PasswordHasher& operator=(const PasswordHasher&) = delete;

  // From any thread. Throw ApiError(503) when `concurrent` are at work, Error(resources) without memory.
  std::string hash(std::string_view password);  // "$argon2id$v=19$m=19456,t=2,p=1$salt$hash"
  // `stored` empty: there is no such account. Takes as long as a check of a password that is there, then says wrong.
  PasswordCheck check(std::string_view password, const std::string& stored);

  int most_at_once() const;  // that were ever at work at the same time

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Throws ApiError(422) naming `password` where it has fewer than 8 or more than 256 bytes.
void check_password_form(std::string_view password);

}  // namespace limpid

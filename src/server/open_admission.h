// OpenAdmission: one person on this machine. Everybody is the account "local", and may do everything; where a key is
// set, only who shows it. Counts nothing but what runs, and turns away what would wait too long.
#pragma once

#include <array>
#include <atomic>
#include <string>

#include "server/admission.h"

namespace limpid {

struct OpenLimits {
  std::string api_key;  // empty: none is asked for
  int answers = 512;    // that run or wait; beyond: 503
};

class OpenAdmission : public Admission {
 public:
  explicit OpenAdmission(const OpenLimits& limits);
  Standing standing(const ServedRequest& request) noexcept override;
  Identity identify(const ServedRequest& request) override;
  std::unique_ptr<Charge> admit(const Identity& identity, const Demand& demand) override;
  int answers() const { return answers_; }

 private:
  bool right_key(const std::string& shown) const;

  using Digest = std::array<unsigned char, 32>;
  const int most_;
  const bool keyed_;
  Digest key_{};  // SHA-256: compared in constant time, whatever the length of what is shown
  std::atomic<int> answers_{0};
};

// The key of "Authorization: Bearer KEY" or "x-api-key: KEY"; empty: none.
std::string shown_key(const ServedRequest& request);

}  // namespace limpid

#include "server/open_admission.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "server/api_error.h"

namespace limpid {

namespace {

class OpenCharge : public Charge {
 public:
  explicit OpenCharge(std::atomic<int>& answers) : answers_(answers) {}
  ~OpenCharge() override { --answers_; }
  void settle(const Consumption&) noexcept override {}

 private:
  std::atomic<int>& answers_;
};

void digest(const std::string& text, unsigned char* out) {
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out);
}

}  // namespace

std::string shown_key(const ServedRequest& request) {
  const std::string_view authorization = request.header("Authorization");
  constexpr std::string_view kScheme = "bearer ";
  bool bearer = authorization.size() > kScheme.size();
  for (std::size_t i = 0; bearer && i < kScheme.size(); ++i)
    bearer = (static_cast<unsigned char>(authorization[i]) | 0x20) == static_cast<unsigned char>(kScheme[i]);
  if (bearer) return std::string(authorization.substr(kScheme.size()));
  return std::string(request.header("x-api-key"));
}

OpenAdmission::OpenAdmission(const OpenLimits& limits) : most_(limits.answers), keyed_(!limits.api_key.empty()) {
  if (keyed_) digest(limits.api_key, key_.data());
}

bool OpenAdmission::right_key(const std::string& shown) const {
  Digest found;
  digest(shown, found.data());
  return CRYPTO_memcmp(found.data(), key_.data(), key_.size()) == 0;
}

// Whoever has not the key waits behind everybody who has it.
Standing OpenAdmission::standing(const ServedRequest& request) noexcept {
  Standing out;
  if (keyed_ && !right_key(shown_key(request))) out.rank = Standing::kStranger;
  return out;
}

Identity OpenAdmission::identify(const ServedRequest& request) {
  if (keyed_) {
    const std::string shown = shown_key(request);
    if (shown.empty()) throw unauthorized("no API key: send \"Authorization: Bearer KEY\"");
    if (!right_key(shown)) throw unauthorized("this API key is not the server's");
  }
  Identity identity;
  identity.account = "local";
  identity.admin = true;
  return identity;
}

std::unique_ptr<Charge> OpenAdmission::admit(const Identity&, const Demand&) {
  if (++answers_ > most_) {
    --answers_;
    throw overloaded("as many answers as this server takes are under way", 2);
  }
  return std::make_unique<OpenCharge>(answers_);
}

}  // namespace limpid

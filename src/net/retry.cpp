#include "net/retry.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <thread>

namespace limpid {

bool worth_retrying(const HttpResponse& response) {
  if (!response.error.empty()) return true;
  const long status = response.status;
  return status == 408 || status == 429 || (status >= 500 && status != 501);
}

std::chrono::milliseconds retry_delay(const RetryPolicy& policy, const HttpResponse& response, int attempt) {
  using std::chrono::milliseconds;
  const std::string after = response.header("retry-after");
  if (!after.empty()) {
    long seconds = 0;
    const auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), seconds);
    if (error != std::errc() || end != after.data() + after.size()) {
      const std::time_t when = curl_getdate(after.c_str(), nullptr);
      seconds = when < 0 ? -1 : static_cast<long>(when - std::time(nullptr));
    }
    if (seconds >= 0) return std::min(policy.longest_delay, milliseconds(std::min(seconds, 86'400L) * 1000));
  }
  milliseconds delay = policy.first_delay;
  for (int i = 1; i < attempt && delay < policy.longest_delay; ++i) delay *= 2;
  return std::min(delay, policy.longest_delay);
}

HttpResponse get_with_retries(HttpClient& client, const HttpRequest& request, const RetryPolicy& policy) {
  for (int attempt = 1;; ++attempt) {
    HttpResponse response = client.get(request);
    if (attempt >= policy.attempts || !worth_retrying(response)) return response;
    const std::chrono::milliseconds delay = retry_delay(policy, response, attempt);
    if (policy.sleep)
      policy.sleep(delay);
    else
      std::this_thread::sleep_for(delay);
  }
}

}  // namespace limpid

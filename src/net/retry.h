// When to try again: what a busy or broken service answers is worth another try, what it refuses is not.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "net/http_client.h"

namespace limpid {

struct RetryPolicy {
  int attempts = 6;                                  // in a row without a byte of progress
  std::chrono::milliseconds first_delay{1000};       // doubles each time
  std::chrono::milliseconds longest_delay{120'000};  // also what Retry-After is cut to
  // Waits, and returns early when the user stops. Tests replace it.
  std::function<void(std::chrono::milliseconds)> sleep;
};

// A broken transfer, 408, 429 and 5xx but 501.
bool worth_retrying(const HttpResponse& response);

// How long to wait before try number `attempt` (1 = the first repetition): Retry-After (seconds or a date) where the
// service says so.
std::chrono::milliseconds retry_delay(const RetryPolicy& policy, const HttpResponse& response, int attempt);

// GET with retries; returns the last answer, good or bad.
HttpResponse get_with_retries(HttpClient& client, const HttpRequest& request, const RetryPolicy& policy);

}  // namespace limpid

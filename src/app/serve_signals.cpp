#include "app/serve_signals.h"

#include <cerrno>
#include <cmath>
#include <ctime>

#include "base/error.h"

namespace limpid {

ServeSignals::ServeSignals() {
  sigemptyset(&mine_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&mine_, signal);
  pthread_sigmask(SIG_BLOCK, &mine_, &before_);
}

ServeSignals::~ServeSignals() {
  while (wait(0) != Asked::nothing) {
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

ServeSignals::Asked ServeSignals::wait(double seconds) {
  while (true) {
    int signal = 0;
    if (seconds < 0) {
      signal = sigwaitinfo(&mine_, nullptr);
    } else {
      const timespec limit{static_cast<std::time_t>(seconds), static_cast<long>((seconds - std::floor(seconds)) * 1e9)};
      signal = sigtimedwait(&mine_, nullptr, &limit);
    }
    if (signal == SIGHUP) return Asked::reload;
    if (signal > 0) return Asked::stop;
    if (errno == EAGAIN) return Asked::nothing;
    if (errno != EINTR) fail_errno("wait for", "signals");
  }
}

}  // namespace limpid

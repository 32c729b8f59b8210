// The signals of a server as something to wait for: SIGTERM and SIGINT ask it to end, SIGHUP to read its certificate
// again. Made before any thread is started: threads inherit the mask.
#pragma once

#include <csignal>

namespace limpid {

class ServeSignals {
 public:
  enum class Asked { nothing, stop, reload };

  ServeSignals();   // blocks them
  ~ServeSignals();  // as it was before
  ServeSignals(const ServeSignals&) = delete;
  ServeSignals& operator=(const ServeSignals&) = delete;

  // Waits; seconds < 0: without end.
  Asked wait(double seconds);

 private:
  sigset_t mine_, before_;
};

}  // namespace limpid

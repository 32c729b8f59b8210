#include "app/interrupt.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"

namespace limpid {

struct Interrupts::Mask {
  sigset_t set;
};

Interrupts::Interrupts() : before_(new Mask) {
  sigset_t mine;
  sigemptyset(&mine);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler != SIG_IGN) sigaddset(&mine, signal);  // once blocked, an ignored signal would be queued too
  }
  pthread_sigmask(SIG_BLOCK, &mine, &before_->set);
  fd_ = signalfd(-1, &mine, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd_ < 0) {
    delete before_;
    fail_errno("wait for signals", "signalfd");
  }
}

Interrupts::~Interrupts() {
  count();
  pthread_sigmask(SIG_SETMASK, &before_->set, nullptr);
  close(fd_);
  delete before_;
}

int Interrupts::count() {
  signalfd_siginfo info;
  while (read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo != SIGINT) ended_ = true;
    ++count_;
  }
  return count_.load();
}

bool Interrupts::ended() {
  count();
  return ended_;
}

}  // namespace limpid

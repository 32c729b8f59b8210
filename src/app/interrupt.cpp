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
  sigaddset(&mine, SIGINT);
  sigaddset(&mine, SIGTERM);
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
  while (read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) ++count_;
  return count_.load();
}

}  // namespace limpid

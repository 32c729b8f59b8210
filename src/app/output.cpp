#include "app/output.h"

#include <cerrno>
#include <cstdio>

#include "base/error.h"

namespace limpid {

namespace {

[[noreturn]] void fail_write() {
  if (errno == EPIPE) throw BrokenPipe{};
  fail_errno("write", "standard output");
}

}  // namespace

void write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_write();
}

void flush_out() {
  if (std::fflush(stdout) != 0) fail_write();
}

}  // namespace limpid

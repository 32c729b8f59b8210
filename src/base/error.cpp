#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace limpid {

void fail_errno(const std::string& doing, const std::string& path) {
  const int code = errno;
  fail(code == ENOENT ? ErrorKind::not_found : ErrorKind::system, "{} {}: {}", doing, path, std::strerror(code));
}

}  // namespace limpid

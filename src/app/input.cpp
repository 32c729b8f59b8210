#include "app/input.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/mapped_file.h"

namespace limpid {

std::string read_all_input(std::size_t most) {
  std::string text;
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t n = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno("read", "standard input");
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text.size() > most) fail(ErrorKind::resources, "standard input: more than {} bytes", most);
  }
}

std::string read_text_file(const std::string& path) {
  if (path == "-") return read_all_input();
  const MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace limpid

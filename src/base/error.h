// Error: what a caller or a file did wrong, thrown; the message says what was being done, which file, tensor or field, and both values.
// Bugs of our own are assert()ed; what is expected to happen is a return value. Nothing below app/ exits, aborts or prints.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace limpid {

// Which kind of fault it is: decides the exit code of the command line and the status code of the server.
enum class ErrorKind {
  input,        // a bad file, request, flag or value: exit code 2, HTTP 400
  not_found,    // a file, model or name that is not there: exit code 2, HTTP 404
  resources,    // memory, disk or a limit is exhausted: exit code 1, HTTP 503
  unsupported,  // valid, but not what this build or machine can do: exit code 2, HTTP 400
  system,       // the operating system or the network failed: exit code 1, HTTP 500
  cancelled,    // stopped by whoever asked: exit code 1
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string message) : std::runtime_error(std::move(message)), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

// fail(ErrorKind::input, "{}: header says {} tensors, the file holds {}", path, a, b)
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

// Throws ErrorKind::system with the text of errno: "open /x/y: No such file or directory".
[[noreturn]] void fail_errno(const std::string& doing, const std::string& path);

}  // namespace limpid

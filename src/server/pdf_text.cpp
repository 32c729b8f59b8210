#include "server/pdf_text.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace limpid {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

// What posix_spawn needs to be told, released at the end.
struct SpawnSetup {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

// A running program whose output is read; killed with what it started unless it has ended.
class Child {
 public:
  Child(const std::string& program, const std::vector<std::string>& arguments) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) fail(ErrorKind::system, "make a pipe: {}", std::strerror(errno));
    SpawnSetup setup;
    posix_spawn_file_actions_addopen(&setup.files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&setup.files, ends[1], 1);
    posix_spawn_file_actions_addopen(&setup.files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&setup.files, 3);
    posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&setup.attributes, &none);
    std::vector<char*> list{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) list.push_back(const_cast<char*>(argument.c_str()));
    list.push_back(nullptr);
    std::array<char*, 2> environment{const_cast<char*>("LC_ALL=C.UTF-8"), nullptr};
    const int error =
        posix_spawn(&pid_, program.c_str(), &setup.files, &setup.attributes, list.data(), environment.data());
    ::close(ends[1]);
    out_ = ends[0];
    if (error != 0) {
      ::close(out_);
      fail(ErrorKind::system, "run {}: {}", program, std::strerror(error));
    }
  }
  ~Child() {
    ::close(out_);
    if (!ended_) {
      ::kill(-pid_, SIGKILL);
      wait();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Set right after the start: no more than the program's own beginning runs without them.
  void limit(const PdfTextLimits& limits) {
    const auto set = [&](__rlimit_resource what, std::uint64_t value) {
      const rlimit most{value, value};
      prlimit(pid_, what, &most, nullptr);
    };
    set(RLIMIT_CPU, static_cast<std::uint64_t>(limits.seconds) + 1);
    set(RLIMIT_AS, limits.memory);
    set(RLIMIT_FSIZE, 0);
    set(RLIMIT_CORE, 0);
  }
  int output() const { return out_; }
  // False: it still runs at that time.
  bool ended_by(Clock::time_point end) const {
    for (;;) {
      siginfo_t told{};
      if (waitid(P_PID, static_cast<id_t>(pid_), &told, WEXITED | WNOHANG | WNOWAIT) != 0 || told.si_pid != 0)
        return true;
      if (Clock::now() >= end) return false;
      ::poll(nullptr, 0, 5);
    }
  }
  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    ended_ = true;
    return status;
  }

 private:
  pid_t pid_ = 0;
  int out_ = -1;
  bool ended_ = false;
};

}  // namespace

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    const std::string folder = rest.substr(0, end);
    rest.erase(0, end == std::string::npos ? end : end + 1);
    const fs::path file = fs::path(folder) / name;
    if (file.is_absolute() && ::access(file.c_str(), X_OK) == 0) return file.string();
  }
  return {};
}

std::string pdf_text(const std::string& program, const fs::path& pdf, const PdfTextLimits& limits) {
  Child child(program, {"-q", "-enc", "UTF-8", pdf.string(), "-"});
  child.limit(limits);
  const Clock::time_point end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits.seconds));
  std::string text;
  std::array<char, 65536> block{};
  for (;;) {
    if (limits.cancelled && limits.cancelled()) fail(ErrorKind::cancelled, "{}: stopped", pdf.string());
    if (Clock::now() > end)
      fail(ErrorKind::resources, "{}: {} took more than {} s", pdf.string(), program, limits.seconds);
    pollfd wanted{child.output(), POLLIN, 0};
    if (::poll(&wanted, 1, 100) <= 0) continue;
    const ssize_t count = ::read(child.output(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(count));
    if (text.size() > limits.bytes)
      fail(ErrorKind::resources, "{}: more than {} bytes of text", pdf.string(), limits.bytes);
  }
  if (!child.ended_by(end))
    fail(ErrorKind::resources, "{}: {} took more than {} s", pdf.string(), program, limits.seconds);
  const int status = child.wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail(ErrorKind::input, "{}: {} could not read it ({} {})", pdf.string(), program,
         WIFEXITED(status) ? "status" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  return text;
}

}  // namespace limpid

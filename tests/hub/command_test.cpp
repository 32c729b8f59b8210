// `limpid pull` and `limpid models` as a person runs them, against the local hub.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hub/fake_hub.h"
#include "tests/hub/temporary_folder.h"

using limpid::test::fake_gguf;
using limpid::test::FakeHub;
using limpid::test::put;
using limpid::test::TemporaryFolder;
using limpid::test::text_of;
namespace fs = std::filesystem;

namespace {

// From here on, a call of socket() kills the process (SIGSYS).
void forbid_sockets() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{sizeof program / sizeof program[0], program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    _exit(99);
}

struct Result {
  int code = -1;    // exit code, or -signal
  std::string out;  // both streams
};

class HubCommand : public ::testing::Test {
 protected:
  HubCommand() { fake_.files["m-Q8_0.gguf"] = fake_gguf(400'000, 1); }

  pid_t start(const std::vector<std::string>& arguments, bool without_sockets = false) {
    fake_.changed();
    const pid_t child = fork();
    if (child != 0) return child;
    const int log = open((folder_ / "log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644),
              null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    setenv("LIMPID_HOME", (folder_ / "home").c_str(), 1);
    setenv("HOME", folder_.path().c_str(), 1);
    setenv("HF_ENDPOINT", fake_.url().c_str(), 1);
    setenv("HF_TOKEN", "hf_secret", 1);
    for (const char* name : {"HF_HOME", "HF_HUB_CACHE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"})
      unsetenv(name);
    std::vector<char*> argv{const_cast<char*>("limpid")};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    if (without_sockets) forbid_sockets();
    execv(LIMPID_BINARY, argv.data());
    _exit(98);
  }

  Result finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), text_of(folder_ / "log")};
  }

  Result run(const std::vector<std::string>& arguments, bool without_sockets = false) {
    return finish(start(arguments, without_sockets));
  }

  TemporaryFolder folder_;
  FakeHub fake_;
};

bool holds(const std::string& text, const std::string& piece) { return text.find(piece) != std::string::npos; }

TEST_F(HubCommand, PullSaysAsksFetchesLists) {
  Result result = run({"pull", "hf:o/r"});
  EXPECT_EQ(result.code, 2) << result.out;
  EXPECT_TRUE(holds(result.out, "400 kB") && holds(result.out, "free") && holds(result.out, "memory") &&
              holds(result.out, "--yes"))
      << result.out;
  EXPECT_EQ(fake_.content_sent(), 0u) << "asked before the first byte";
  result = run({"pull", "hf:o/r", "--yes"});
  EXPECT_EQ(result.code, 0) << result.out;
  result = run({"models"});
  EXPECT_TRUE(holds(result.out, "o/r:Q8_0") && holds(result.out, "400 kB") &&
              holds(result.out, (folder_ / "home").string()))
      << result.out;
  result = run({"pull", "hf:o/r:Q8_0", "--offline"});
  EXPECT_EQ(result.code, 0) << "what is here needs no network: " << result.out;
  EXPECT_EQ(run({"models", "rm", "o/r"}).code, 0);
  EXPECT_TRUE(holds(run({"models"}).out, "empty"));
}

TEST_F(HubCommand, OfflineMakesNoSocket) {
  Result result = run({"pull", "hf:o/r", "--yes", "--offline"}, true);
  EXPECT_EQ(result.code, 2) << result.out;
  EXPECT_TRUE(holds(result.out, "--offline")) << result.out;
  EXPECT_EQ(run({"models"}, true).code, 0);
  EXPECT_EQ(run({"models", "--catalogue"}, true).code, 0);
  EXPECT_EQ(run({"--help"}, true).code, 0);
  EXPECT_EQ(run({"pull", "hf:o/r", "--yes"}, true).code, -SIGSYS)
      << "the trap works: a pull that may ask the network makes a socket";
  EXPECT_TRUE(fake_.hub_requests().empty());
}

TEST_F(HubCommand, ADamagedFileOfTheCacheIsNotFetchedUnasked) {
  put(folder_ / ".cache" / "huggingface" / "hub" / "models--o--r" / "blobs" /
          limpid::test::sha256(fake_.files["m-Q8_0.gguf"]),
      std::string(400'000, 'x'));
  Result result = run({"pull", "hf:o/r"});
  EXPECT_EQ(result.code, 2) << result.out;
  EXPECT_TRUE(holds(result.out, "damaged") && holds(result.out, "to fetch instead") && holds(result.out, "--yes"))
      << result.out;
  EXPECT_EQ(fake_.content_sent(), 0u);
  result = run({"pull", "hf:o/r", "--yes"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_EQ(text_of(folder_ / "home" / "models" / "o+r@Q8_0" / "m-Q8_0.gguf"), fake_.files["m-Q8_0.gguf"]);
}

TEST_F(HubCommand, CtrlCKeepsWhatArrived) {
  fake_.files["m-Q8_0.gguf"] = fake_gguf(8'000'000, 1);
  fake_.per_block = std::chrono::milliseconds(10);
  const pid_t child = start({"pull", "hf:o/r", "--yes", "--connections", "1"});
  for (int i = 0; i < 500 && fake_.cdn_requests().empty(); ++i) usleep(10'000);
  usleep(300'000);
  kill(child, SIGINT);
  Result result = finish(child);
  EXPECT_EQ(result.code, 1) << result.out;
  EXPECT_TRUE(holds(result.out, "goes on from there")) << result.out;
  fake_.per_block = std::chrono::milliseconds(0);
  result = run({"pull", "hf:o/r", "--yes"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_TRUE(holds(result.out, "an earlier pull left the rest")) << result.out;
  EXPECT_EQ(text_of(folder_ / "home" / "models" / "o+r@Q8_0" / "m-Q8_0.gguf"), fake_.files["m-Q8_0.gguf"]);
}

TEST_F(HubCommand, ModelsAddTakesFilesWhereTheyLie) {
  put(folder_ / "a b.gguf", fake_gguf(1000, 1));
  Result result = run({"models", "add", (folder_ / "a b.gguf").string(), "--name", "mine"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_TRUE(holds(run({"models", "--json"}).out, "\"adopted\": true"));
  EXPECT_EQ(run({"models", "rm", "mien"}).code, 2);
  EXPECT_EQ(run({"models", "rm", "mine"}).code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "a b.gguf"));
  EXPECT_EQ(run({"models", "add", "/nowhere.gguf"}).code, 2);
  EXPECT_EQ(run({"models", "frobnicate"}).code, 2);
}

TEST_F(HubCommand, AStoreThatIsNoFolderIsSaid) {
  put(folder_ / "m.gguf", fake_gguf(1000, 1));
  put(folder_ / "home", "");
  Result result = run({"models"});
  EXPECT_EQ(result.code, 2) << result.out;
  EXPECT_EQ(result.out, "limpid: the store " + (folder_ / "home").string() + " is no directory\n");
  result = run({"models", "add", (folder_ / "m.gguf").string()});
  EXPECT_EQ(result.code, 1) << result.out;
  EXPECT_EQ(result.out,
            "limpid: create the folder " + (folder_ / "home" / "models" / "m").string() + ": Not a directory\n");
}

TEST_F(HubCommand, FailuresAreOneLine) {
  const Result result = run({"pull", "r1-distill-qwen-1.5", "--yes"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out.rfind("limpid: ", 0), 0u) << result.out;
  EXPECT_TRUE(holds(result.out, "did you mean r1-distill-qwen-1.5b")) << result.out;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1);
}

}  // namespace

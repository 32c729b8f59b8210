// The models of a server: found by name, loaded once for all who ask, unloaded when nobody does or for want of memory.
#include "app/served_models.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>
#include <utility>

#include "app/built_in.h"
#include "base/error.h"
#include "hub/store.h"
#include "kernels/kernels.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

// A store of its own, and the model that is built in under other names: directories that link to the same files.
class Models : public testing::Test {
 protected:
  void SetUp() override {
    if (built_in_bytes() == 0) GTEST_SKIP() << "weights/r1-nano held no model when this was built";
    std::string pattern = (fs::temp_directory_path() / "limpid-served-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    setenv("LIMPID_HOME", (directory_ / "home").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("LIMPID_HOME");
    std::error_code error;
    if (!directory_.empty()) fs::remove_all(directory_, error);
  }
  std::string copy(const std::string& name) const {
    fs::create_directory_symlink(fs::path(REPO_DIR) / "weights" / "r1-nano", directory_ / name);
    return (directory_ / name).string();
  }
  static LocalModelsOptions options(std::vector<std::string> models) {
    LocalModelsOptions out;
    out.models = std::move(models);
    out.threads = 1;
    out.kernels = &best_kernels();
    return out;
  }
  static ChatRequest question(int tokens = 8) {
    ChatRequest request;
    request.prompt.messages = {{{"role", "user"}, {"content", "What is 3 + 4?"}}};
    request.max_tokens = tokens;
    request.sampling.temperature = 0;
    request.ignore_end = true;
    return request;
  }

  fs::path directory_;
};

template <typename Function>
std::string failure(ErrorKind kind, const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST_F(Models, AreFoundByNameAliasAndNothingElse) {
  LocalModelsOptions wanted = options({"r1-nano", copy("poet")});
  wanted.aliases = {{"deepseek-chat", "poet"}, {"gpt-4o", "r1-nano"}};
  LocalModels models(wanted);
  EXPECT_EQ(models.list().size(), 2U);
  EXPECT_EQ(models.loads(), 0U) << "nothing is loaded before it is asked for";
  for (const char* name : {"", "default", "r1-nano", "deepseek-reasoner", "gpt-4o"})
    EXPECT_EQ(models.lease(name)->info().id, "r1-nano") << name;
  EXPECT_EQ(models.lease("deepseek-chat")->info().id, "poet");
  EXPECT_EQ(models.loads(), 2U);
  for (const std::string& name :
       std::vector<std::string>{"R1", "../poet", directory_.string() + "/poet", {"r1-nano\0", 8}}) {
    const std::string text = failure(ErrorKind::not_found, [&] { models.lease(name); });
    EXPECT_NE(text.find("r1-nano, poet"), std::string::npos) << text;
  }
  const ServedModelInfo info = models.list()[0];
  EXPECT_EQ(info.owner, "limpid");
  EXPECT_TRUE(info.loaded && info.thinks);
  EXPECT_GT(info.parameters, 1'000'000);
  EXPECT_GT(info.bytes, 0);
  EXPECT_GT(info.context, 0);
  EXPECT_TRUE(info.fingerprint.starts_with("fp_")) << info.fingerprint;
  EXPECT_EQ(info.fingerprint, models.list()[1].fingerprint) << "the same weights";
  EXPECT_EQ(models.statistics().size(), 2U);
}

TEST_F(Models, WrongListsAreRefused) {
  EXPECT_NE(failure(ErrorKind::input, [&] { LocalModels(options({})); }), "");
  failure(ErrorKind::input, [&] { LocalModels(options({"r1-nano", "R1-Nano"})); });
  failure(ErrorKind::not_found, [&] { LocalModels(options({"no-such-model"})); });
  LocalModelsOptions wanted = options({"r1-nano"});
  wanted.aliases = {{"gpt-4o", "r1"}};
  EXPECT_NE(failure(ErrorKind::input, [&] { LocalModels{wanted}; }).find("gpt-4o"), std::string::npos);
  wanted = options({"r1-nano"});
  wanted.default_model = "poet";
  failure(ErrorKind::input, [&] { LocalModels{wanted}; });
}

TEST_F(Models, AnswerAsTheyDoAlone) {
  LocalModels models(options({"r1-nano", copy("poet")}));
  const auto first = models.lease("r1-nano"), second = models.lease("poet");
  const ChatAnswer alone = first->chat().ask(question(40));
  EXPECT_EQ(alone.result.usage.completion_tokens, 40);
  std::vector<ChatAnswer> answers(6);
  std::vector<std::thread> callers;  // two engines that take turns on the cores
  for (std::size_t i = 0; i < answers.size(); ++i)
    callers.emplace_back([&, i] { answers[i] = (i % 2 ? first : second)->chat().ask(question(40)); });
  for (std::thread& caller : callers) caller.join();
  for (const ChatAnswer& answer : answers) {
    EXPECT_EQ(answer.ids(), alone.ids());
    EXPECT_EQ(answer.result.logits_hash, alone.result.logits_hash);
  }
}

TEST_F(Models, TellWhoWaitsAndWhoRuns) {
  LocalModelsOptions wanted = options({"r1-nano"});
  wanted.sequences = 1;
  wanted.queue = 7;
  LocalModels models(wanted);
  EXPECT_TRUE(models.queues().empty()) << "nothing is loaded";
  EXPECT_EQ(models.lease_if_loaded(""), nullptr);
  EXPECT_EQ(models.loads(), 0U);
  const auto lease = models.lease("");
  EXPECT_EQ(models.lease_if_loaded("r1-nano")->info().id, "r1-nano");
  std::promise<void> begun, go_on;
  std::shared_future<void> goes_on = go_on.get_future().share();
  std::atomic<int> ended = 0;
  for (const char* account : {"acc_a", "acc_b", "acc_b"}) {
    ChatRequest request = question(20);
    request.account = account;
    request.token_events = true;
    lease->chat().submit(request,
                         [&, events = std::string_view(account) == "acc_a" ? 0 : 100](const ChatEvent& event) mutable {
                           if (++events == 4) {  // what runs is told at the end of a step
                             begun.set_value();
                             goes_on.wait();  // the engine stands still here
                           }
                           ended += event.kind == ChatEvent::Kind::finished;
                           return true;
                         });
  }
  begun.get_future().wait();
  const auto queues = models.queues();
  ASSERT_EQ(queues.size(), 1u);
  const auto& [name, load] = queues.front();
  EXPECT_EQ(name, "r1-nano");
  EXPECT_EQ(load.queue, 7);
  EXPECT_EQ(load.sequences, 1);
  ASSERT_TRUE(load.accounts.contains("acc_a") && load.accounts.contains("acc_b"));
  EXPECT_EQ(load.accounts.at("acc_a").running, 1);
  EXPECT_EQ(load.accounts.at("acc_b").waiting, 2);
  go_on.set_value();
  while (ended < 3) std::this_thread::yield();
}

TEST_F(Models, ManyWhoAskAtOnceLoadAModelOnce) {
  LocalModels models(options({"r1-nano", copy("poet")}));
  std::atomic<int> served{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 16; ++i)
    callers.emplace_back([&, i] {
      const auto lease = models.lease(i % 4 ? "r1-nano" : "poet");
      served += lease->chat().ask(question()).result.usage.completion_tokens == 8;
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(served, 16);
  EXPECT_EQ(models.loads(), 2U);
}

TEST_F(Models, AreUnloadedWhenIdleAndNotWhileInUse) {
  LocalModelsOptions wanted = options({"r1-nano"});
  wanted.idle_seconds = 0.1;
  LocalModels models(wanted);
  {
    const auto lease = models.lease("");
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_TRUE(models.list()[0].loaded);
    lease->chat().ask(question());
  }
  const auto given_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (models.unloads() == 0 && std::chrono::steady_clock::now() < given_up)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(models.unloads(), 1U);
  EXPECT_FALSE(models.list()[0].loaded);
  EXPECT_EQ(models.lease("")->chat().ask(question()).result.usage.completion_tokens, 8) << "it comes back";
  EXPECT_EQ(models.loads(), 2U);
}

TEST_F(Models, MakeRoomForEachOtherLeastRecentlyUsedFirst) {
  const std::string poet = copy("poet"), judge = copy("judge");
  std::int64_t bytes = 0;
  {
    LocalModelsOptions one = options({"r1-nano"});
    one.sequences = 1;
    one.cache = 1;  // one context
    LocalModels models(one);
    bytes = models.lease("")->info().bytes;
  }
  LocalModelsOptions wanted = options({"r1-nano", poet, judge});
  wanted.sequences = 1;
  wanted.cache = 1;
  wanted.idle_seconds = 0;
  wanted.memory = static_cast<std::uint64_t>(bytes * 5 / 2);  // for two
  LocalModels models(wanted);
  models.lease("r1-nano");
  models.lease("poet");
  models.lease("r1-nano");
  models.lease("judge");
  const auto loaded = [&] {
    std::string names;
    for (const ServedModelInfo& info : models.list())
      if (info.loaded) names += info.id + " ";
    return names;
  };
  EXPECT_EQ(loaded(), "r1-nano judge ");
  const auto first = models.lease("r1-nano"), second = models.lease("judge");
  const std::string text = failure(ErrorKind::resources, [&] { models.lease("poet"); });
  for (const char* word : {"poet", "r1-nano", "judge", "MiB"}) EXPECT_NE(text.find(word), std::string::npos) << text;
  EXPECT_EQ(loaded(), "r1-nano judge ");
  EXPECT_EQ(first->chat().ask(question()).result.usage.completion_tokens, 8) << "those in use go on";

  wanted.memory = static_cast<std::uint64_t>(bytes / 2);
  LocalModels none(wanted);
  failure(ErrorKind::resources, [&] { none.lease("poet"); });
  const std::string short_of = failure(ErrorKind::resources, [&] { none.lease("poet"); });
  for (const char* word : {"/poet", "not enough memory", "limpid doctor"})
    EXPECT_NE(short_of.find(word), std::string::npos) << short_of;
  EXPECT_EQ(none.loads(), 0U);
}

TEST_F(Models, ATeamGetsMorePagesAndTheStoreIsServed) {
  LocalModelsOptions person = options({"r1-nano"}), team = person;
  person.memory = team.memory = std::uint64_t{256} << 20;
  team.team = true;
  const auto pages = [](const LocalModelsOptions& how) {
    LocalModels models(how);
    const auto lease = models.lease("");
    const EngineLoad load = lease->chat().engine().load();
    EXPECT_EQ(load.sequences, how.team ? 32 : 4);
    return lease->chat().engine().statistics().pages;
  };
  EXPECT_GT(pages(team), pages(person));
  Store(directory_ / "home").adopt(copy("poet"), "poet");
  LocalModelsOptions all = options({"r1-nano"});
  all.store = true;
  LocalModels models(all);
  ASSERT_EQ(models.list().size(), 2U);
  EXPECT_EQ(models.lease("poet")->chat().ask(question()).result.usage.completion_tokens, 8);
}

TEST_F(Models, KeepPrefixesOnDisk) {
  LocalModelsOptions wanted = options({"r1-nano"});
  wanted.cache_directory = directory_ / "cache";
  ChatRequest lengthy = question();
  lengthy.prompt.messages[0]["content"] =
      "What is 3 + 4? What is 3 + 5? What is 3 + 6? What is 3 + 7? What is 3 + 8? What is 9?";
  ChatAnswer before;
  {
    LocalModels models(wanted);
    before = models.lease("")->chat().ask(lengthy);
    EXPECT_EQ(before.result.usage.cached_tokens, 0);
  }
  LocalModels models(wanted);
  const ChatAnswer after = models.lease("")->chat().ask(lengthy);
  EXPECT_GT(after.result.usage.cached_tokens, 0);
  EXPECT_EQ(after.ids(), before.ids());
  EXPECT_EQ(after.result.logits_hash, before.result.logits_hash);
  EXPECT_GT(models.disk().read, 0U);
}

}  // namespace
}  // namespace limpid

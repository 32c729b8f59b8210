// Pulling against a server that behaves like the hub, and misbehaves like networks.
#include "hub/pull.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <future>

#include "base/error.h"
#include "hub/part_file.h"
#include "tests/hub/fake_hub.h"
#include "tests/hub/temporary_folder.h"

using namespace limpid;
using limpid::test::fake_gguf;
using limpid::test::FakeHub;
using limpid::test::put;
using limpid::test::TemporaryFolder;
using limpid::test::text_of;
namespace fs = std::filesystem;
using Fault = FakeHub::Fault;

namespace {

constexpr std::size_t kSize = 300'000;  // ten pieces

class Pull : public ::testing::Test {
 protected:
  Pull() : store_(folder_ / "home"), content_(fake_gguf(kSize, 1)) {
    fake_.files["m-Q8_0.gguf"] = content_;
    options_.piece = 30'000;
    options_.http.stall_timeout_s = 3;
    options_.retry.attempts = 3;
    options_.retry.sleep = [this](std::chrono::milliseconds time) {
      const std::lock_guard lock(mutex_);
      waits_.push_back(time.count());
    };
  }

  HubOptions hub_options() {
    HubOptions hub;
    hub.endpoint = fake_.url();
    hub.token = token_;
    hub.http = options_.http;
    hub.retry = options_.retry;
    return hub;
  }

  PullPlan plan(const std::string& reference = "hf:o/r:Q8_0") {
    Hub hub(hub_options());
    return plan_pull(hub, store_, Catalogue::built_in(), parse_reference(reference), folder_ / "cache");
  }

  StoredModel pull(const std::string& reference = "hf:o/r:Q8_0") {
    Hub hub(hub_options());
    const PullPlan made = plan_pull(hub, store_, Catalogue::built_in(), parse_reference(reference), folder_ / "cache");
    PullEvents events;
    events.arrived = [this](std::int64_t bytes) {
      arrived_ += bytes;
      if (stop_after_ > 0 && arrived_ >= stop_after_) stop_ = true;
    };
    events.resumed = [this](std::uint64_t bytes) { resumed_ += bytes; };
    events.verified = [this](std::uint64_t bytes) { verified_ += bytes; };
    events.waiting = [this] { waiting_ = true; };
    events.damaged = [this](const PlannedFile&, const std::string& damage) { damage_ = damage; };
    DownloadOptions options = options_;
    options.http.cancelled = [this] { return stop_.load(); };
    return execute_pull(made, hub, store_, options, events);
  }

  Error error_of(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no Error";
    return Error(ErrorKind::system, "");
  }

  fs::path file() const { return store_.folder("o/r:Q8_0") / "m-Q8_0.gguf"; }
  bool part_left() const { return fs::exists(file().string() + ".part") || fs::exists(file().string() + ".part.json"); }

  TemporaryFolder folder_;
  FakeHub fake_;
  Store store_;
  std::string content_, token_;
  DownloadOptions options_;
  std::vector<long> waits_;
  std::mutex mutex_;
  std::atomic<std::int64_t> arrived_{0};
  std::int64_t stop_after_ = 0;
  std::atomic<std::uint64_t> verified_{0}, resumed_{0};
  std::atomic<bool> stop_{false}, waiting_{false};
  std::string damage_;  // of the Hugging Face cache
};

TEST_F(Pull, FetchesVerifiesAndStores) {
  const PullPlan made = plan();
  EXPECT_EQ(made.name, "o/r:Q8_0");
  EXPECT_EQ(made.revision, FakeHub::kCommit);
  EXPECT_EQ(made.total, kSize);
  EXPECT_EQ(made.to_fetch, kSize);
  EXPECT_GT(made.disk_free, 0u);
  EXPECT_EQ(fake_.content_sent(), 0u) << "a plan fetches no content";
  const StoredModel model = pull();
  EXPECT_EQ(text_of(model.path), content_);
  EXPECT_EQ(store_.resolve("o/r", Catalogue::built_in()), file());
  EXPECT_FALSE(part_left());
  EXPECT_EQ(arrived_, static_cast<std::int64_t>(kSize));
  EXPECT_EQ(verified_, kSize);
  EXPECT_GE(fake_.cdn_requests().size(), 10u) << "in ranges";
  EXPECT_EQ(plan().to_fetch, 0u);
}

TEST_F(Pull, TokenGoesToTheHubOnly) {
  token_ = fake_.token = "hf_secret";
  pull();
  for (const auto& request : fake_.hub_requests())
    EXPECT_EQ(request.header("authorization"), "Bearer hf_secret") << request.target;
  ASSERT_FALSE(fake_.cdn_requests().empty());
  for (const auto& request : fake_.cdn_requests()) {
    EXPECT_EQ(request.header("authorization"), "");
    for (const auto& [name, value] : request.headers) EXPECT_EQ(value.find("hf_secret"), std::string::npos) << name;
  }
}

TEST_F(Pull, NextPageElsewhereGetsNoToken) {
  token_ = fake_.token = "hf_secret";
  limpid::test::TestServer thief([](const limpid::test::Request&) { return limpid::test::Reply{.body = "[]"}; });
  limpid::test::TestServer hub([&](const limpid::test::Request& request) {
    if (request.target.find("/revision/") != std::string::npos)
      return limpid::test::Reply{.body = std::string(R"({"sha": ")") + FakeHub::kCommit + "\"}"};
    return limpid::test::Reply{.headers = {{"Link", "<" + thief.url() + "/next>; rel=\"next\""}},
                               .body = R"([{"type":"file","path":"m-Q8_0.gguf","size":5}])"};
  });
  HubOptions options = hub_options();
  options.endpoint = hub.url();
  Hub(options).list("o/r", FakeHub::kCommit);
  ASSERT_EQ(thief.requests().size(), 1u);
  EXPECT_EQ(thief.requests()[0].header("authorization"), "");
}

TEST_F(Pull, ListingIsReadPageByPage) {
  for (int i = 0; i < 25; ++i) fake_.files["a" + std::to_string(i) + ".txt"] = "x";
  fake_.page = 4;
  EXPECT_EQ(plan().files.size(), 1u);
  EXPECT_GE(fake_.hub_requests().size(), 7u);
}

TEST_F(Pull, SplitFilesBecomeOneModel) {
  fake_.files["dir/s-Q4_0-00001-of-00002.gguf"] = fake_gguf(50'000, 4);
  fake_.files["dir/s-Q4_0-00002-of-00002.gguf"] = fake_gguf(40'000, 5);
  const StoredModel model = pull("hf:o/r:Q4_0");
  EXPECT_EQ(model.bytes, 90'000u);
  EXPECT_EQ(model.path.filename(), "s-Q4_0-00001-of-00002.gguf");
  EXPECT_EQ(text_of(model.path.parent_path() / "s-Q4_0-00002-of-00002.gguf"), fake_gguf(40'000, 5));
}

TEST_F(Pull, SafetensorsBecomeADirectory) {
  fake_.files = {{"config.json", "{\"a\": 1}"},
                 {"model.safetensors", fake_gguf(5000, 6)},
                 {"tokenizer.json", "{}"},
                 {"README.md", "no"}};
  const StoredModel model = pull("hf:o/r");
  EXPECT_TRUE(fs::is_directory(model.path));
  EXPECT_EQ(text_of(model.path / "config.json"), "{\"a\": 1}");
  EXPECT_FALSE(fs::exists(model.path / "README.md"));
  EXPECT_EQ(store_.resolve("o/r", Catalogue::built_in()), model.path);
}

TEST_F(Pull, BrokenConnectionsAreResumedWhereTheyBroke) {
  fake_.fault(Fault::cut, 3);
  fake_.fault(Fault::reset, 1);
  fake_.fault(Fault::pass, 2);
  fake_.fault(Fault::cut, 2);
  EXPECT_EQ(text_of(pull().path), content_);
  EXPECT_LT(fake_.content_sent(), kSize + kSize / 4) << "what had arrived is not fetched again";
}

TEST_F(Pull, ShortBodiesAreNotTakenForTheWhole) {
  fake_.fault(Fault::short_body, 4);
  EXPECT_EQ(text_of(pull().path), content_);
}

TEST_F(Pull, BusyServersAreGivenTime) {
  options_.retry.attempts = 4;
  options_.connections = 1;
  fake_.fault(Fault::busy, 2);
  fake_.fault(Fault::server_error, 1);
  EXPECT_EQ(text_of(pull().path), content_);
  ASSERT_EQ(waits_.size(), 3u);
  EXPECT_EQ(waits_[0], 2000) << "Retry-After";
  EXPECT_EQ(waits_[1], 2000);
}

TEST_F(Pull, GivesUpInTheEndAndGoesOnLater) {
  options_.connections = 1;
  for (int i = 0; i < 5; ++i) fake_.fault(Fault::pass);
  fake_.fault(Fault::server_error, 50);
  const Error error = error_of([&] { pull(); });
  EXPECT_EQ(error.kind(), ErrorKind::system);
  EXPECT_NE(std::string(error.what()).find("502"), std::string::npos) << error.what();
  EXPECT_FALSE(fs::exists(file())) << "nothing half is in the store";
  EXPECT_TRUE(store_.list().empty());
  EXPECT_TRUE(part_left());
  EXPECT_EQ(plan().to_fetch, kSize - 150'000);
  FakeHub healthy;  // the same content, a fresh server without faults
  healthy.files = fake_.files;
  const std::uint64_t before = healthy.content_sent();
  HubOptions options = hub_options();
  options.endpoint = healthy.url();
  Hub hub(options);
  execute_pull(plan_pull(hub, store_, Catalogue::built_in(), parse_reference("hf:o/r:Q8_0"), {}), hub, store_, options_,
               {});
  EXPECT_EQ(text_of(file()), content_);
  EXPECT_EQ(healthy.content_sent() - before, kSize - 150'000) << "only what was missing";
}

TEST_F(Pull, RefusalIsFinalAtOnce) {
  fake_.fault(Fault::refuse, 100);
  const Error error = error_of([&] { pull(); });
  EXPECT_EQ(error.kind(), ErrorKind::input);
  EXPECT_TRUE(waits_.empty());
}

TEST_F(Pull, UnauthorisedAndUnknownAreSaid) {
  fake_.token = "needed";
  Error error = error_of([&] { plan(); });
  EXPECT_EQ(error.kind(), ErrorKind::input);
  EXPECT_NE(std::string(error.what()).find("HF_TOKEN"), std::string::npos) << error.what();
  token_ = "needed";
  error = error_of([&] { plan("hf:gone/gone"); });
  EXPECT_EQ(error.kind(), ErrorKind::not_found);
  EXPECT_NE(std::string(error.what()).find("gone/gone"), std::string::npos) << error.what();
}

TEST_F(Pull, DamagedContentIsThrownAway) {
  fake_.lies["m-Q8_0.gguf"] = content_;
  fake_.lies["m-Q8_0.gguf"][kSize / 2] ^= 1;
  // The lying server's redirect announces the other hash: said before a byte is kept.
  Error error = error_of([&] { pull(); });
  EXPECT_NE(std::string(error.what()).find("other content"), std::string::npos) << error.what();
  // Without that announcement only the hash of what arrived tells.
  limpid::test::TestServer cdn([&](const limpid::test::Request& request) {
    const std::string range = request.header("range");
    const std::size_t first = std::stoul(range.substr(6)), last = std::stoul(range.substr(range.find('-') + 1));
    return limpid::test::Reply{.status = 206,
                               .headers = {{"Content-Range", "bytes " + std::to_string(first) + "-" +
                                                                 std::to_string(last) + "/" + std::to_string(kSize)}},
                               .body = fake_.lies["m-Q8_0.gguf"].substr(first, last - first + 1)};
  });
  FileJob job;
  job.request.url = cdn.url() + "/f";
  job.target = folder_ / "f.gguf";
  job.name = "f";
  job.size = kSize;
  job.sha256 = limpid::test::sha256(content_);
  error = error_of([&] { download(job, options_); });
  EXPECT_EQ(error.kind(), ErrorKind::system);
  EXPECT_NE(std::string(error.what()).find(job.sha256), std::string::npos) << error.what();
  EXPECT_FALSE(fs::exists(job.target));
  EXPECT_FALSE(fs::exists(job.target.string() + ".part")) << "a damaged download is not resumed for ever";
}

TEST_F(Pull, SmallFilesAreVerifiedByGitHash) {
  fake_.files = {{"config.json", "{\"a\": 1}"}, {"model.safetensors", fake_gguf(5000, 6)}};
  fake_.lies["config.json"] = "{\"a\": 2}";
  const Error error = error_of([&] { pull("hf:o/r"); });
  EXPECT_NE(std::string(error.what()).find("config.json"), std::string::npos) << error.what();
  EXPECT_TRUE(store_.list().empty());
}

TEST_F(Pull, WrongSizeIsRefused) {
  fake_.lies["m-Q8_0.gguf"] = content_ + "more";
  fake_.publish_hashes = false;
  EXPECT_EQ(error_of([&] { pull(); }).kind(), ErrorKind::system);
  fake_.lies["m-Q8_0.gguf"] = content_.substr(0, 1000);
  EXPECT_EQ(error_of([&] { pull(); }).kind(), ErrorKind::system);
  EXPECT_TRUE(store_.list().empty());
}

TEST_F(Pull, StoppedPullsGoOn) {
  stop_after_ = 100'000;
  EXPECT_EQ(error_of([&] { pull(); }).kind(), ErrorKind::cancelled);
  EXPECT_TRUE(store_.list().empty());
  const std::uint64_t left = plan().to_fetch;
  EXPECT_LE(left, kSize - 100'000);
  EXPECT_GT(left, 0u);
  stop_ = false;
  stop_after_ = 0;
  arrived_ = 0;
  const std::uint64_t before = fake_.content_sent();
  EXPECT_EQ(text_of(pull().path), content_);
  EXPECT_EQ(fake_.content_sent() - before, left);
  EXPECT_EQ(arrived_, static_cast<std::int64_t>(left));
  EXPECT_EQ(resumed_, kSize - left) << "what was there already is reported too";
}

TEST_F(Pull, ChangedContentStartsOver) {
  stop_after_ = 100'000;
  EXPECT_EQ(error_of([&] { pull(); }).kind(), ErrorKind::cancelled);
  stop_ = false;
  stop_after_ = 0;
  content_ = fake_.files["m-Q8_0.gguf"] = fake_gguf(kSize, 99);  // same name, same size, other bytes, other commit
  fake_.commit = "ffffffffffffffffffffffffffffffffffffffff";
  EXPECT_EQ(plan().to_fetch, kSize);
  EXPECT_EQ(text_of(pull().path), content_);
}

TEST_F(Pull, WithoutHashesTheEtagDecides) {
  fake_.publish_hashes = false;
  stop_after_ = 100'000;
  EXPECT_EQ(error_of([&] { pull(); }).kind(), ErrorKind::cancelled);
  stop_ = false;
  stop_after_ = 0;
  const std::uint64_t before = fake_.content_sent();
  EXPECT_EQ(text_of(pull().path), content_) << "unchanged: resumed";
  EXPECT_LT(fake_.content_sent() - before, kSize);
  store_.remove("o/r");
  stop_after_ = 100'000;
  arrived_ = 0;
  EXPECT_EQ(error_of([&] { pull(); }).kind(), ErrorKind::cancelled);
  stop_ = false;
  stop_after_ = 0;
  content_ = fake_.files["m-Q8_0.gguf"] = fake_gguf(kSize, 99);
  EXPECT_EQ(text_of(pull().path), content_) << "changed: started over";
}

TEST_F(Pull, ServersWithoutRangesAreServedOneStream) {
  fake_.ranges = false;
  EXPECT_EQ(text_of(pull().path), content_);
  EXPECT_EQ(arrived_, static_cast<std::int64_t>(kSize));
}

TEST_F(Pull, NewerRevisionReplacesAFileOfTheSameSize) {
  pull();
  content_ = fake_.files["m-Q8_0.gguf"] = fake_gguf(kSize, 99);
  fake_.commit = "ffffffffffffffffffffffffffffffffffffffff";
  EXPECT_EQ(text_of(pull().path), content_);
}

TEST_F(Pull, OnePullAtATime) {
  fake_.per_block = std::chrono::milliseconds(10);
  std::vector<std::future<StoredModel>> pulls;
  for (int i = 0; i < 3; ++i) pulls.push_back(std::async(std::launch::async, [this] { return pull(); }));
  for (auto& each : pulls) EXPECT_EQ(text_of(each.get().path), content_);
  EXPECT_TRUE(waiting_);
  EXPECT_EQ(fake_.content_sent(), kSize) << "fetched once, not three times";
}

TEST_F(Pull, HuggingFaceCacheIsLinkedNotFetched) {
  const fs::path repo = folder_ / "cache" / "models--o--r";
  put(repo / "blobs" / limpid::test::sha256(content_), content_);
  fs::create_directories(repo / "snapshots" / FakeHub::kCommit);
  fs::create_symlink("../../blobs/" + limpid::test::sha256(content_),
                     repo / "snapshots" / FakeHub::kCommit / "m-Q8_0.gguf");
  EXPECT_EQ(plan().to_fetch, 0u);
  const StoredModel model = pull();
  EXPECT_TRUE(fs::is_symlink(model.path));
  EXPECT_EQ(text_of(model.path), content_);
  EXPECT_EQ(fake_.content_sent(), 0u);
  store_.remove("o/r");
  EXPECT_EQ(text_of(repo / "blobs" / limpid::test::sha256(content_)), content_)
      << "removing the model leaves the cache alone";
}

TEST_F(Pull, DamagedCacheIsNoticed) {
  const fs::path blob = folder_ / "cache" / "models--o--r" / "blobs" / limpid::test::sha256(content_);
  put(blob, std::string(kSize, 'x'));
  EXPECT_EQ(plan().to_fetch, 0u);
  const StoredModel model = pull();
  EXPECT_NE(damage_.find("damaged"), std::string::npos) << damage_;
  EXPECT_FALSE(fs::is_symlink(model.path));
  EXPECT_EQ(text_of(model.path), content_) << "it was fetched instead";
  EXPECT_EQ(text_of(blob), std::string(kSize, 'x')) << "the cache is not ours to change";
  EXPECT_EQ(fake_.content_sent(), kSize);
}

TEST_F(Pull, FullDiskIsSaidAndTheSpaceGivenBack) {
  const auto before = signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit limit = old;
  limit.rlim_cur = kSize / 2;
  setrlimit(RLIMIT_FSIZE, &limit);
  const Error error = error_of([&] { pull(); });
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, before);
  EXPECT_EQ(error.kind(), ErrorKind::resources) << error.what();
  EXPECT_FALSE(part_left());
  EXPECT_EQ(text_of(pull().path), content_) << "and works once there is room";
}

TEST_F(Pull, DiskThatFillsInTheMiddleKeepsWhatIsThere) {
  PartFile part(folder_ / "f.gguf", 100'000, "sha256:x", 100'000);
  const std::string half(50'000, 'x');
  part.append(0, std::as_bytes(std::span(half)));
  const auto before = signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit limit = old;
  limit.rlim_cur = 50'000;
  setrlimit(RLIMIT_FSIZE, &limit);
  const Error error = error_of([&] { part.append(0, std::as_bytes(std::span(half))); });
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, before);
  EXPECT_EQ(error.kind(), ErrorKind::resources);
  part.save();
  EXPECT_EQ(bytes_left_by_earlier(folder_ / "f.gguf", 100'000, "sha256:x"), 50'000u);
}

TEST_F(Pull, StateThatLiesIsNotBelieved) {
  const fs::path target = folder_ / "f.gguf";
  for (const char* state : {"", "{", "[]", R"({"size":1000,"identity":"i","piece":0,"done":[]})",
                            R"({"size":1000,"identity":"i","piece":500,"done":[500]})",
                            R"({"size":1000,"identity":"i","piece":500,"done":[501,0]})",
                            R"({"size":1000,"identity":"other","piece":500,"done":[500,500]})",
                            R"({"size":1000,"identity":"i","piece":500,"done":[-1,0]})"}) {
    put(target.string() + ".part", std::string(1000, 'x'));
    put(target.string() + ".part.json", state);
    EXPECT_EQ(bytes_left_by_earlier(target, 1000, "i"), 0u) << state;
    EXPECT_EQ(PartFile(target, 1000, "i", 500).done(), 0u) << state;
  }
}

TEST_F(Pull, CataloguedHashMustBeTheHubs) {
  const Catalogue catalogue(
      R"({"models": [{"name": "c", "title": "C", "architecture": "llama", "parameters": 1000, "preferred": "Q8_0", "variants": [
    {"quant": "Q8_0", "repository": "o/r", "files": [{"path": "m-Q8_0.gguf", "sha256": "0000000000000000000000000000000000000000000000000000000000000000"}]}]}]})");
  Hub hub(hub_options());
  const Error error = error_of([&] { plan_pull(hub, store_, catalogue, parse_reference("c"), {}); });
  EXPECT_NE(std::string(error.what()).find("was replaced"), std::string::npos) << error.what();
}

TEST_F(Pull, ListingsThatLieAreRefused) {
  for (const char* listing : {"<html>login</html>", "{}", "[1]", R"([{"type":"file","path":"../../x.gguf","size":5}])",
                              R"([{"type":"file","path":"m-Q8_0.gguf","size":-5}])",
                              R"([{"type":"file","path":"m-Q8_0.gguf","size":5,"lfs":{"oid":"zz","size":5}}])"}) {
    limpid::test::TestServer hub([&](const limpid::test::Request& request) {
      if (request.target.find("/revision/") != std::string::npos)
        return limpid::test::Reply{.body = std::string(R"({"sha": ")") + FakeHub::kCommit + "\"}"};
      return limpid::test::Reply{.body = listing};
    });
    HubOptions options = hub_options();
    options.endpoint = hub.url();
    Hub client(options);
    EXPECT_THROW(plan_pull(client, store_, Catalogue::built_in(), parse_reference("hf:o/r"), {}), Error) << listing;
  }
}

TEST_F(Pull, OfflineAsksNobody) {
  options_.http.offline = true;
  EXPECT_EQ(error_of([&] { plan(); }).kind(), ErrorKind::input);
  EXPECT_TRUE(fake_.hub_requests().empty());
}

}  // namespace

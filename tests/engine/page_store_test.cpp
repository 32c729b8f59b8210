// Pages on disk alone: what is written comes back or does not come back, never changed; bounds, order of removal, other
// processes, a full disk, files that were damaged.
#include "engine/page_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>

#include "base/error.h"
#include "engine/page_file.h"
#include "temporary_directory.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

PageShape shape(int layers = 3) {
  PageShape result;
  result.layout.kv_heads = 1;
  result.layout.key_dim = result.layout.value_dim = 16;
  result.layers = layers;
  return result;
}

// A page with content made from a number.
struct Page {
  explicit Page(std::uint64_t number, std::size_t tokens = kPageTokens, PageShape of = shape()) : form(of) {
    std::mt19937 random(static_cast<unsigned>(number));
    for (std::size_t i = 0; i < tokens; ++i) ids.push_back(static_cast<std::int32_t>(number * 1000 + i));
    own = {number * 77 + tokens, 5};
    parent = {1, 1};
    for (int layer = 0; layer < form.layers; ++layer) {
      content.emplace_back(form.layer_bytes());
      for (std::byte& byte : content.back()) byte = static_cast<std::byte>(random());
    }
  }
  PageName name() const { return {scope, parent, own, ids, owner}; }
  std::vector<std::span<const std::byte>> spans() const { return {content.begin(), content.end()}; }
  bool write(PageStore& store) const {
    const auto kept = std::make_shared<Page>(*this);  // until it is written
    return store.write(kept->name(), form, kept->spans(), [kept] {});
  }
  // True: it came back, and is what was written.
  bool read(PageStore& store) const {
    std::vector<std::vector<std::byte>> found(content.size(), std::vector<std::byte>(form.layer_bytes()));
    std::vector<std::span<std::byte>> to(found.begin(), found.end());
    if (!store.read(name(), form, to)) return false;
    EXPECT_TRUE(found == content) << "another content came back";
    return true;
  }
  std::uint64_t file_bytes() const { return sizeof(PageHead) + form.bytes(); }

  PageShape form;
  Hash128 scope{9, 9}, parent, own, owner{3, 3};
  std::vector<std::int32_t> ids;
  std::vector<std::vector<std::byte>> content;
};

std::vector<fs::path> page_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& file : fs::recursive_directory_iterator(directory))
    if (file.path().extension() == ".page") files.push_back(file.path());
  std::ranges::sort(files);
  return files;
}

PageStoreOptions in(const TemporaryDirectory& directory, std::uint64_t bytes = 1 << 30) {
  PageStoreOptions options;
  options.directory = directory.path() / "cache";
  options.bytes = bytes;
  return options;
}

TEST(PageStore, WritesPrivatelyAndReadsBackAlsoAfterARestart) {
  const TemporaryDirectory directory;
  const Page one(1), two(2);
  {
    PageStore store(in(directory));
    EXPECT_FALSE(one.read(store));
    EXPECT_TRUE(one.write(store));
    EXPECT_FALSE(one.write(store)) << "it is there, or about to be";
    EXPECT_TRUE(store.has(one.own));
    EXPECT_TRUE(two.write(store));
    store.drain();
    EXPECT_TRUE(one.read(store));
    EXPECT_EQ(store.statistics().pages, 2U);
    EXPECT_EQ(store.statistics().bytes, one.file_bytes() + two.file_bytes());
    EXPECT_EQ(store.statistics().written, 2U);
  }
  for (const fs::path& file : page_files(directory.path())) {
    struct stat status {};
    ASSERT_EQ(stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    ASSERT_EQ(stat(file.parent_path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U);
  }
  PageStore store(in(directory));
  EXPECT_TRUE(one.read(store));
  EXPECT_TRUE(two.read(store));
  EXPECT_EQ(store.statistics().read, 2U);
}

TEST(PageStore, RemovesWhatBelongsToAnOwner) {
  const TemporaryDirectory directory;
  const Hash128 ann{1, 7}, bob{2, 7};
  const auto of = [](std::uint64_t number, const Hash128& owner) {
    Page page(number);
    page.owner = owner;
    return page;
  };
  {
    PageStore store(in(directory));
    EXPECT_TRUE(of(1, ann).write(store));
    EXPECT_TRUE(of(2, bob).write(store));
    store.drain();
  }
  PageStore store(in(directory));  // it is in the file: a restart forgets no owner
  EXPECT_TRUE(of(3, ann).write(store));
  store.drain();
  EXPECT_EQ(store.owners().size(), 2U);
  store.remove_owner(ann);
  EXPECT_EQ(store.owners(), std::vector{bob});
  EXPECT_EQ(page_files(directory.path()).size(), 1U);
  EXPECT_FALSE(of(1, ann).read(store));
  EXPECT_TRUE(of(2, bob).read(store));
  EXPECT_FALSE(of(4, ann).write(store)) << "what an answer that ends only now leaves behind";
  // What waits is not written either.
  for (std::uint64_t number = 10; number < 60; ++number) of(number, bob).write(store);
  store.remove_owner(bob);
  store.drain();
  EXPECT_TRUE(page_files(directory.path()).empty());
  EXPECT_EQ(store.statistics().bytes, 0U);
}

TEST(PageStore, PagesOfOlderVersionsGo) {
  const TemporaryDirectory directory;
  const fs::path old = directory.path() / "cache/pages-v1", other = directory.path() / "cache/pages-v0x";
  for (const fs::path& folder : {old, other}) {
    fs::create_directories(folder);
    for (const std::string& name : {std::string("lock"), std::string(32, 'a') + ".page"})
      std::ofstream(folder / name) << "x";
  }
  { const PageStore store(in(directory)); }
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(other / (std::string(32, 'a') + ".page")));
}

TEST(PageStore, GivesNothingThatWasNotAskedFor) {
  const TemporaryDirectory directory;
  PageStore store(in(directory));
  const Page page(1);
  page.write(store);
  store.drain();
  const auto differs = [&](const std::function<void(Page&)>& change) {
    Page other(1);
    change(other);
    EXPECT_FALSE(other.read(store));
    page.write(store);  // a page that is not what its name says is removed
    store.drain();
    EXPECT_TRUE(page.read(store));
  };
  differs([](Page& other) { other.scope.low ^= 1; });
  differs([](Page& other) { other.parent.high ^= 1; });
  differs([](Page& other) { other.ids[63] ^= 1; });
  differs([](Page& other) { other.ids.push_back(5); });
  differs([](Page& other) { other.form.layout.type = CacheType::bf16; });  // as many bytes
  differs([](Page& other) { other = Page(1, kPageTokens, shape(2)); });
  Page beginning(1);
  beginning.ids.resize(20);
  EXPECT_TRUE(beginning.read(store)) << "a beginning of its ids is enough";
}

TEST(PageStore, FindsTheLongestBeginningAndDropsWhatIsCovered) {
  const TemporaryDirectory directory;
  PageStore store(in(directory));
  Page tail(1, 20), longer(1, 40), full(1);
  Page other(2, 30);
  for (const Page* page : {&tail, &other}) page->write(store);
  store.drain();
  EXPECT_EQ(store.find({1, 1}, full.ids, shape()).tokens, 20);
  EXPECT_EQ(store.find({1, 1}, std::span(full.ids).first(10), shape()).tokens, 10);
  EXPECT_EQ(store.find({1, 2}, full.ids, shape()).tokens, 0) << "below another page";
  EXPECT_EQ(store.find({1, 1}, full.ids, shape(2)).tokens, 0) << "of another shape";
  EXPECT_EQ(store.find({1, 1}, other.ids, shape()).own, other.own);
  longer.write(store);
  store.drain();
  EXPECT_EQ(store.statistics().pages, 2U) << "20 ids of the 40 are not worth a file";
  full.write(store);
  store.drain();
  EXPECT_EQ(store.find({1, 1}, full.ids, shape()).own, full.own);
  EXPECT_EQ(store.statistics().pages, 2U);
  EXPECT_EQ(page_files(directory.path()).size(), 2U);
}

TEST(PageStore, IsBoundedAndGivesUpTheLeastRecentlyUsed) {
  const TemporaryDirectory directory;
  const std::uint64_t room = Page(0).file_bytes() * 4;
  {
    PageStore store(in(directory, room));
    for (std::uint64_t i = 0; i < 4; ++i) {
      Page(i).write(store);
      store.drain();
    }
    const Hash128 used[] = {Page(0).own};
    store.touch(used);
    for (std::uint64_t i = 4; i < 6; ++i) {
      Page(i).write(store);
      store.drain();
    }
    EXPECT_TRUE(Page(0).read(store));
    EXPECT_FALSE(Page(1).read(store) || Page(2).read(store));
    EXPECT_TRUE(Page(3).read(store) && Page(5).read(store));
    EXPECT_EQ(store.statistics().removed, 2U);
    EXPECT_LE(store.statistics().bytes, room);
    for (std::uint64_t i = 100; i < 400; ++i) {
      Page(i).write(store);
      store.drain();
      ASSERT_EQ(page_files(directory.path()).size(), 4U) << "what is given up is gone from the disk";
    }
    for (const std::uint64_t i : {0, 3, 4, 5}) {
      Page(i).write(store);
      store.drain();
    }
  }
  // The order survives, as far as a file's time is fine; and a smaller bound holds from the next write on.
  const auto files = page_files(directory.path());
  ASSERT_EQ(files.size(), 4U);
  PageStore store(in(directory, Page(0).file_bytes() * 2));
  Page(9).write(store);
  store.drain();
  EXPECT_EQ(store.statistics().pages, 2U);
  EXPECT_TRUE(Page(9).read(store));
  EXPECT_EQ(page_files(directory.path()).size(), 2U);
}

TEST(PageStore, WhatWaitsIsBounded) {
  const TemporaryDirectory directory;
  PageStoreOptions options = in(directory);
  options.waiting_bytes = shape().bytes() * 2;
  PageStore store(options);
  std::mutex gate;
  gate.lock();
  std::vector<std::unique_ptr<Page>> pages;
  int taken = 0;
  for (std::uint64_t i = 0; i < 10; ++i) {
    pages.push_back(std::make_unique<Page>(i));
    taken +=
        store.write(pages.back()->name(), shape(), pages.back()->spans(), [&] { const std::lock_guard wait(gate); });
  }
  EXPECT_EQ(taken, 2);
  EXPECT_EQ(store.statistics().not_kept, 8U);
  gate.unlock();
  store.drain();
  EXPECT_TRUE(Page(20).write(store));
}

TEST(PageStore, ASecondProcessReadsOnly) {
  const TemporaryDirectory directory;
  PageStore first(in(directory));
  Page(1).write(first);
  first.drain();
  PageStore second(in(directory));
  EXPECT_FALSE(second.statistics().writes);
  EXPECT_TRUE(Page(1).read(second));
  EXPECT_FALSE(Page(2).write(second));
  // What the first one removes is gone for the second one too.
  fs::remove(page_files(directory.path()).front());
  EXPECT_FALSE(Page(1).read(second));
  EXPECT_FALSE(second.has(Page(1).own));
}

TEST(PageStore, AFullDiskPausesWritingOnly) {
  const TemporaryDirectory directory;
  PageStore store(in(directory));
  Page(1).write(store);
  store.drain();
  // Files may not grow beyond a part of a page: what a full disk looks like to whoever writes.
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Page(2).write(store);
  store.drain();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(store.statistics().failures, 1U);
  EXPECT_FALSE(store.statistics().writes);
  EXPECT_FALSE(Page(2).read(store));
  EXPECT_FALSE(Page(3).write(store)) << "it waits a while before it tries again";
  EXPECT_TRUE(Page(1).read(store));
  EXPECT_EQ(page_files(directory.path()).size(), 1U);
  for (const auto& file : fs::recursive_directory_iterator(directory.path()))
    EXPECT_NE(file.path().extension(), ".tmp") << "nothing half written is left";
}

TEST(PageStore, DamagedFilesAreRemovedAndForeignOnesLeftAlone) {
  const TemporaryDirectory directory;
  std::mt19937 random(7);
  fs::path folder;
  for (int round = 0; round < 200; ++round) {
    {
      PageStore store(in(directory));
      for (std::uint64_t i = 0; i < 3; ++i) Page(i).write(store);
      store.drain();
      ASSERT_EQ(store.statistics().pages, 3U);
    }
    const std::vector<fs::path> files = page_files(directory.path());
    ASSERT_EQ(files.size(), 3U);
    folder = files[0].parent_path();
    const fs::path& victim = files[random() % 3];
    const auto size = fs::file_size(victim);
    switch (random() % 5) {
      case 0:
        fs::resize_file(victim, random() % size);
        break;
      case 1:
        fs::resize_file(victim, size + 1 + random() % 100);
        break;
      case 2:  // another page under this name
        fs::copy_file(files[0] == victim ? files[1] : files[0], victim, fs::copy_options::overwrite_existing);
        break;
      default: {  // a byte of the head (as often as of the content)
        std::fstream file(victim, std::ios::in | std::ios::out | std::ios::binary);
        const auto at = static_cast<std::streamoff>(random() % 2 ? random() % sizeof(PageHead) : random() % size);
        file.seekg(at);
        const int old = file.get();
        file.seekp(at);
        file.put(static_cast<char>(old ^ (1 << random() % 8)));
      }
    }
    PageStore store(in(directory));
    int good = 0;
    for (std::uint64_t i = 0; i < 3; ++i) good += Page(i).read(store);
    ASSERT_EQ(good, 2) << "round " << round;
    ASSERT_EQ(store.statistics().rejected, 1U);
    ASSERT_EQ(page_files(directory.path()).size(), 2U);
  }
  // Names that are not ours, a directory with a name of ours, a link, what a killed process left.
  std::ofstream(folder / "notes.page") << "mine";
  std::ofstream(folder / "notes.txt") << "mine";
  fs::create_directory(folder / (std::string(32, 'a') + ".page"));
  fs::create_symlink(folder / "notes.txt", folder / (std::string(32, 'b') + ".page"));
  std::ofstream(folder / (std::string(32, 'c') + ".page.tmp")) << "half";
  std::ofstream(folder / (std::string(32, 'D') + ".page")) << "not as we write it";
  PageStore store(in(directory));
  EXPECT_TRUE(fs::exists(folder / "notes.page") && fs::exists(folder / "notes.txt"));
  EXPECT_TRUE(fs::exists(folder / (std::string(32, 'D') + ".page")));
  EXPECT_FALSE(fs::exists(folder / (std::string(32, 'c') + ".page.tmp")));
  EXPECT_FALSE(fs::exists(fs::symlink_status(folder / (std::string(32, 'b') + ".page"))));
  EXPECT_EQ(store.statistics().pages, 2U);
}

TEST(PageStore, ADirectoryThatCannotBeMadeIsAnError) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() / "cache") << "a file";
  try {
    PageStore store(in(directory));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::system);
    EXPECT_NE(std::string(error.what()).find("cache"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace limpid

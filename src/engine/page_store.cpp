#include "engine/page_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/seconds.h"
#include "engine/page_file.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kPause = std::chrono::seconds(60);          // after a write that failed
constexpr auto kTouchInterval = std::chrono::minutes(10);  // a file's own time need not be finer
constexpr std::size_t kHashDigits = 32;
constexpr std::string_view kPageSuffix = ".page", kAsideSuffix = ".page.tmp";

std::string hex(const Hash128& hash) { return fmt::format("{:016x}{:016x}", hash.high, hash.low); }

// The hash that a file of ours is named by; nothing for other names.
std::optional<Hash128> hash_of(std::string_view name, std::string_view suffix) {
  if (name.size() != kHashDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  Hash128 hash;
  for (auto [half, first] : {std::pair(&hash.high, 0U), std::pair(&hash.low, 16U)}) {
    const char* begin = name.data() + first;
    const auto [end, error] = std::from_chars(begin, begin + 16, *half, 16);
    if (error != std::errc() || end != begin + 16) return std::nullopt;
  }
  return hex(hash) == name.substr(0, kHashDigits) ? std::optional(hash) : std::nullopt;
}

void make_private(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error || chmod(directory.c_str(), 0700) != 0)
    fail(ErrorKind::system, "{}: the directory of the cache on disk cannot be made: {}", directory.string(),
         error ? error.message() : "its rights cannot be set");
}

int shared_beginning(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  return static_cast<int>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

PageStore::PageStore(PageStoreOptions options)
    : options_(std::move(options)), folder_(options_.directory / fmt::format("pages-v{}", kPageFileVersion)) {
  make_private(folder_);
  lock_file_ = open((folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  counters_.writes = lock_file_ >= 0 && flock(lock_file_, LOCK_EX | LOCK_NB) == 0;
  if (counters_.writes) remove_older_versions();
  scan();
  thread_ = std::thread([this] { loop(); });
}

PageStore::~PageStore() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  if (lock_file_ >= 0) close(lock_file_);  // and with it the lock
}

fs::path PageStore::path_of(const Hash128& own) const { return folder_ / (hex(own) + std::string(kPageSuffix)); }

// Pages that no version of this program reads any more, unless an older one still does.
void PageStore::remove_older_versions() const {
  for (std::uint32_t version = 1; version < kPageFileVersion; ++version) {
    const fs::path folder = options_.directory / fmt::format("pages-v{}", version);
    const int lock = open((folder / "lock").c_str(), O_RDWR | O_CLOEXEC);
    if (lock < 0) continue;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
      std::error_code error;
      std::vector<fs::path> ours{folder / "lock"};
      for (fs::directory_iterator file(folder, error), end; !error && file != end; file.increment(error)) {
        const std::string name = file->path().filename().string();
        if (hash_of(name, kPageSuffix) || hash_of(name, kAsideSuffix)) ours.push_back(file->path());
      }
      for (const fs::path& file : ours) fs::remove(file, error);
      fs::remove(folder, error);  // where nothing else lies in it
    }
    close(lock);
  }
}

// What is there becomes the index, the least recently used first. Only names that are ours are looked at: whatever else
// lies in the directory stays.
void PageStore::scan() {
  struct Seen {
    std::int64_t time = 0;
    Hash128 own;
    Entry entry;
  };
  std::vector<Seen> seen;
  std::error_code error;
  for (fs::directory_iterator file(folder_, error), end; !error && file != end; file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (counters_.writes && hash_of(name, kAsideSuffix)) fs::remove(file->path(), error);  // of one that was killed
    const std::optional<Hash128> own = hash_of(name, kPageSuffix);
    if (!own) continue;
    struct stat status {};
    const std::optional<PageHead> head = read_head(file->path());
    if (!head || head->own != *own || stat(file->path().c_str(), &status) != 0) {
      ++counters_.rejected;
      if (counters_.writes) fs::remove(file->path(), error);
      continue;
    }
    Entry entry;
    entry.scope = head->scope;
    entry.parent = head->parent;
    entry.owner = head->owner;
    entry.ids.assign(head->ids, head->ids + head->tokens);
    entry.layout = layout_of(*head);
    entry.layers = static_cast<int>(head->layers);
    entry.bytes = static_cast<std::uint64_t>(status.st_size);
    seen.push_back({status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, *own, std::move(entry)});
  }
  if (error) fail(ErrorKind::system, "{}: {}", folder_.string(), error.message());
  std::ranges::sort(seen, {}, &Seen::time);
  for (Seen& one : seen) add(one.own, std::move(one.entry));
}

void PageStore::add(const Hash128& own, Entry entry) {
  forget(own);
  counters_.bytes += entry.bytes;
  ++counters_.pages;
  children_[entry.parent].push_back(own);
  entry.place = used_.insert(used_.end(), own);
  pages_.emplace(own, std::move(entry));
}

void PageStore::forget(const Hash128& own) {
  const auto found = pages_.find(own);
  if (found == pages_.end()) return;
  const auto family = children_.find(found->second.parent);
  std::erase(family->second, own);
  if (family->second.empty()) children_.erase(family);
  counters_.bytes -= found->second.bytes;
  --counters_.pages;
  used_.erase(found->second.place);
  pages_.erase(found);
}

void PageStore::remove_file(const Hash128& own) {
  const fs::path file = path_of(own);  // first: own may stand in what forget() frees
  forget(own);
  std::error_code error;
  if (counters_.writes) fs::remove(file, error);
}

PageStore::Found PageStore::find(const Hash128& parent, std::span<const std::int32_t> ids,
                                 const PageShape& shape) const {
  const Lock lock(mutex_);
  Found best;
  const auto family = children_.find(parent);
  if (family == children_.end()) return best;
  for (const Hash128& own : family->second) {
    const Entry& entry = pages_.at(own);
    const int tokens = shared_beginning(entry.ids, ids);
    if (tokens > best.tokens && entry.layout == shape.layout && entry.layers == shape.layers) best = {own, tokens};
  }
  return best;
}

bool PageStore::readable(const Hash128& own) const {
  const Lock lock(mutex_);
  return pages_.contains(own);
}

bool PageStore::has(const Hash128& own) const {
  const Lock lock(mutex_);
  return pages_.contains(own) || waiting_.contains(own);
}

bool PageStore::read(const PageName& name, const PageShape& shape, std::span<const std::span<std::byte>> layers) {
  const Clock::time_point begin = Clock::now();
  const bool good = read_page(path_of(name.own), name, shape, layers);
  const Lock lock(mutex_);
  counters_.read_seconds += seconds(Clock::now() - begin);
  if (good) {
    ++counters_.read;
  } else if (pages_.contains(name.own)) {
    ++counters_.rejected;
    remove_file(name.own);
  }
  return good;
}

bool PageStore::write(const PageName& name, const PageShape& shape, std::vector<std::span<const std::byte>> layers,
                      std::function<void()> done) {
  const Lock lock(mutex_);
  if (pages_.contains(name.own) || waiting_.contains(name.own) || gone_.contains(name.owner)) return false;
  if (stopping_ || !counters_.writes || Clock::now() < paused_until_ ||
      waiting_bytes_ + shape.bytes() > options_.waiting_bytes || sizeof(PageHead) + shape.bytes() > options_.bytes) {
    ++counters_.not_kept;
    return false;
  }
  waiting_bytes_ += shape.bytes();
  waiting_.insert(name.own);
  jobs_.push_back({name.scope,
                   name.parent,
                   name.own,
                   name.owner,
                   {name.ids.begin(), name.ids.end()},
                   shape,
                   std::move(layers),
                   std::move(done)});
  wake_.notify_all();
  return true;
}

void PageStore::touch(std::span<const Hash128> pages) {
  const Lock lock(mutex_);
  const Clock::time_point now = Clock::now();
  for (const Hash128& own : pages) {
    const auto found = pages_.find(own);
    if (found == pages_.end()) continue;
    used_.splice(used_.end(), used_, found->second.place);
    if (!counters_.writes || now - found->second.touched < kTouchInterval) continue;
    found->second.touched = now;
    utimensat(AT_FDCWD, path_of(own).c_str(), nullptr, 0);  // where that fails it is only an older page
  }
}

std::vector<Hash128> PageStore::owners() const {
  const Lock lock(mutex_);
  std::unordered_set<Hash128> owners;
  for (const auto& [own, entry] : pages_) owners.insert(entry.owner);
  return {owners.begin(), owners.end()};
}

void PageStore::remove_owner(const Hash128& owner) {
  const Lock lock(mutex_);
  gone_.insert(owner);
  std::vector<Hash128> pages;
  for (const auto& [own, entry] : pages_)
    if (entry.owner == owner) pages.push_back(own);
  for (const Hash128& own : pages) remove_file(own);
}

void PageStore::drain() {
  Lock lock(mutex_);
  idle_.wait(lock, [&] { return waiting_.empty(); });
}

PageStoreStatistics PageStore::statistics() const {
  const Lock lock(mutex_);
  PageStoreStatistics out = counters_;
  out.writes = out.writes && Clock::now() >= paused_until_;
  return out;
}

void PageStore::loop() {
  Lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    write_page(job);
    job.done();
    lock.lock();
    waiting_.erase(job.own);
    waiting_bytes_ -= job.shape.bytes();
    if (waiting_.empty()) idle_.notify_all();
  }
}

void PageStore::write_page(const Job& job) {
  const PageName name{job.scope, job.parent, job.own, job.ids, job.owner};
  const std::uint64_t bytes = sizeof(PageHead) + job.shape.bytes();
  {
    const Lock lock(mutex_);
    if (gone_.contains(job.owner)) return;
    if (Clock::now() < paused_until_) {
      ++counters_.not_kept;
      return;
    }
    while (!used_.empty() && counters_.bytes + bytes > options_.bytes) {
      remove_file(used_.front());
      ++counters_.removed;
    }
  }
  const Clock::time_point begin = Clock::now();
  const bool good = limpid::write_page(path_of(job.own), make_head(name, job.shape, checksum(job.layers)), job.layers);
  const Lock lock(mutex_);
  counters_.write_seconds += seconds(Clock::now() - begin);
  if (!good) {
    ++counters_.failures;
    paused_until_ = Clock::now() + kPause;
    return;
  }
  if (gone_.contains(job.owner)) {  // meanwhile
    std::error_code error;
    fs::remove(path_of(job.own), error);
    return;
  }
  ++counters_.written;
  remove_covered(job);
  Entry entry;
  entry.scope = job.scope;
  entry.parent = job.parent;
  entry.owner = job.owner;
  entry.ids = job.ids;
  entry.layout = job.shape.layout;
  entry.layers = job.shape.layers;
  entry.bytes = bytes;
  entry.touched = Clock::now();
  add(job.own, std::move(entry));
}

// A page that is not full and whose ids begin those of the new page is worth nothing any more.
void PageStore::remove_covered(const Job& job) {
  const auto family = children_.find(job.parent);
  if (family == children_.end()) return;
  std::vector<Hash128> covered;
  for (const Hash128& own : family->second) {
    const Entry& entry = pages_.at(own);
    if (entry.ids.size() < std::min<std::size_t>(job.ids.size(), kPageTokens) &&
        shared_beginning(entry.ids, job.ids) == static_cast<int>(entry.ids.size()))
      covered.push_back(own);
  }
  for (const Hash128& own : covered) remove_file(own);
}

}  // namespace limpid

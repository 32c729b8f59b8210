#include "hub/download.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "hub/files.h"
#include "hub/hub_api.h"
#include "hub/part_file.h"

namespace limpid {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kSaveEvery{5};  // what a crash may cost
constexpr std::chrono::milliseconds kNap{50};

struct ContentRange {
  std::uint64_t first = 0, last = 0, total = 0;
};

// "bytes 0-99/1000"
std::optional<ContentRange> parse_content_range(const std::string& text) {
  ContentRange range;
  std::uint64_t* const numbers[] = {&range.first, &range.last, &range.total};
  const char ends[] = {'-', '/', '\0'};
  if (text.rfind("bytes ", 0) != 0) return std::nullopt;
  const char* at = text.c_str() + 6;
  const char* const end = text.c_str() + text.size();
  for (int i = 0; i < 3; ++i) {
    const auto [stop, error] = std::from_chars(at, end, *numbers[i]);
    if (error != std::errc() || *stop != ends[i]) return std::nullopt;
    at = stop + 1;
  }
  return range;
}

std::string unquoted(std::string etag) {
  if (etag.rfind("W/", 0) == 0) etag = etag.substr(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

// The tag of the content: the hub's own word before the redirect, else the server's.
std::string tag_of(const HttpResponse& response) {
  const auto linked = response.first_headers.find("x-linked-etag");
  if (linked != response.first_headers.end()) return unquoted(linked->second);
  return unquoted(response.header("etag"));
}

std::string published_identity(const FileJob& job) {
  return !job.sha256.empty() ? "sha256:" + job.sha256 : job.git_sha1.empty() ? "" : "git:" + job.git_sha1;
}

class Transfer {
 public:
  Transfer(const FileJob& job, const DownloadOptions& options, PartFile& part, std::string etag)
      : job_(job), options_(options), part_(part), etag_(std::move(etag)), saved_(Clock::now()) {}

  void run() {
    fetch_pieces();
    if (whole_only_) {
      report(-static_cast<std::int64_t>(part_.done()));
      part_.merge();
      whole_only_ = false;
      fetch_pieces();
    }
  }

 private:
  void fetch_pieces() {
    next_ = 0;
    const std::size_t threads =
        std::min<std::size_t>(static_cast<std::size_t>(std::max(options_.connections, 1)), part_.pieces());
    std::vector<std::thread> team;
    for (std::size_t i = 1; i < threads; ++i) team.emplace_back([this] { work(); });
    work();
    for (std::thread& thread : team) thread.join();
    if (first_error_) std::rethrow_exception(first_error_);
  }

  void work() noexcept {
    try {
      HttpOptions http = options_.http;
      http.cancelled = [this] { return stop_ || (options_.http.cancelled && options_.http.cancelled()); };
      HttpClient client(http);
      for (;;) {
        const std::size_t piece = next_++;
        if (piece >= part_.pieces() || stop_ || whole_only_) return;
        fetch_piece(client, piece);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!stop_.exchange(true))
        first_error_ = std::current_exception();  // the others stop with Error(cancelled), which nobody needs
    }
  }

  void fetch_piece(HttpClient& client, std::size_t piece) {
    for (int attempt = 1; part_.done(piece) < part_.length(piece);) {
      const std::uint64_t before = part_.done(piece);
      const HttpResponse response = fetch_once(client, piece);
      if (whole_only_ || part_.done(piece) == part_.length(piece)) break;
      if (!response.ok() && !worth_retrying(response)) fail_answer(response, job_.name, !job_.request.bearer.empty());
      attempt = part_.done(piece) > before ? 1 : attempt + 1;
      if (attempt > options_.retry.attempts) {
        if (!response.ok()) fail_answer(response, job_.name, !job_.request.bearer.empty());
        fail(ErrorKind::system, "{}: the server ends the answer early, again and again", job_.name);
      }
      nap(retry_delay(options_.retry, response, std::max(attempt - 1, 1)));
    }
  }

  HttpResponse fetch_once(HttpClient& client, std::size_t piece) {
    const std::uint64_t done = part_.done(piece);
    const bool whole = part_.pieces() == 1 && done == 0;
    HttpRequest request = job_.request;
    if (!whole) {
      request.first = part_.begin(piece) + done;
      request.last = part_.begin(piece) + part_.length(piece) - 1;
    }
    return client.stream(
        request, [&](const HttpResponse& response) { return accept(response, request, piece); },
        [&](std::span<const std::byte> bytes) { take(piece, bytes); });
  }

  // Is this answer a piece of the content that was asked for? False: the server sends whole files only.
  bool accept(const HttpResponse& response, const HttpRequest& request, std::size_t piece) {
    check_content(response);
    if (response.status == 206) {
      const std::string text = response.header("content-range");
      const std::optional<ContentRange> range = parse_content_range(text);
      if (!range || !request.first || range->first != *request.first || range->last > *request.last ||
          range->total != job_.size)
        fail(ErrorKind::system, "{}: asked for bytes {}-{} of {}, the server answered '{}'", job_.name,
             request.first.value_or(0), request.last.value_or(0), job_.size, text);
      return true;
    }
    if (part_.pieces() > 1) {
      whole_only_ = true;
      return false;
    }
    report(-static_cast<std::int64_t>(part_.done(piece)));  // the whole file from its start, whatever was asked
    part_.restart(piece);
    return true;
  }

  void check_content(const HttpResponse& response) {
    const std::string tag = tag_of(response);
    const std::lock_guard lock(mutex_);
    if (!job_.sha256.empty()) {
      const auto linked = response.first_headers.find("x-linked-etag");
      if (linked != response.first_headers.end() && tag.size() == 64 && tag != job_.sha256)
        fail(ErrorKind::system, "{}: the hub now sends other content: sha256 {}, expected {}; run the command again",
             job_.name, tag, job_.sha256);
    } else if (job_.git_sha1.empty() && !etag_.empty() && tag != etag_) {
      fail(ErrorKind::system, "{}: changed on the server while it was fetched; run the command again", job_.name);
    }
  }

  void take(std::size_t piece, std::span<const std::byte> bytes) {
    const std::uint64_t room = part_.length(piece) - part_.done(piece);
    if (bytes.size() > room)
      fail(ErrorKind::system, "{}: the server sends more than the {} bytes it announced", job_.name, job_.size);
    part_.append(piece, bytes);
    report(static_cast<std::int64_t>(bytes.size()));
    save_now_and_then();
  }

  void save_now_and_then() {
    {
      const std::lock_guard lock(mutex_);
      if (Clock::now() - saved_ < kSaveEvery) return;
      saved_ = Clock::now();
    }
    part_.save();
  }

  void report(std::int64_t bytes) {
    if (!options_.arrived || bytes == 0) return;
    const std::lock_guard lock(report_mutex_);
    options_.arrived(bytes);
  }

  void nap(std::chrono::milliseconds time) {
    const Clock::time_point end = Clock::now() + time;
    if (options_.retry.sleep) return options_.retry.sleep(time);
    while (Clock::now() < end) {
      if (stop_ || (options_.http.cancelled && options_.http.cancelled()))
        fail(ErrorKind::cancelled, "stopped while fetching {}", job_.name);
      std::this_thread::sleep_for(std::min<Clock::duration>(kNap, end - Clock::now()));
    }
  }

  const FileJob& job_;
  const DownloadOptions& options_;
  PartFile& part_;
  const std::string etag_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stop_{false}, whole_only_{false};
  std::exception_ptr first_error_;
  std::mutex mutex_, report_mutex_;
  Clock::time_point saved_;
};

// For content without a published hash: asks for its first byte to learn the ETag that tells whether it is still the
// same.
std::string ask_etag(const FileJob& job, const DownloadOptions& options) {
  HttpClient client(options.http);
  HttpRequest request = job.request;
  request.first = request.last = 0;
  HttpResponse response;
  for (int attempt = 1; attempt <= options.retry.attempts; ++attempt) {
    response = client.stream(
        request, [](const HttpResponse& answer) { return answer.status == 206; }, [](std::span<const std::byte>) {});
    if (response.status >= 200 && response.status < 300) return tag_of(response);
    if (!worth_retrying(response)) break;
    const std::chrono::milliseconds delay = retry_delay(options.retry, response, attempt);
    options.retry.sleep ? options.retry.sleep(delay) : std::this_thread::sleep_for(delay);
  }
  if (response.status == 416) return tag_of(response);  // an empty file
  fail_answer(response, job.name, !job.request.bearer.empty());
}

void verify(const FileJob& job, PartFile& part, const DownloadOptions& options) {
  const HashProgress progress = [&](std::uint64_t bytes) {
    if (options.http.cancelled && options.http.cancelled())
      fail(ErrorKind::cancelled, "stopped while verifying {}", job.name);
    if (options.verified) options.verified(bytes);
  };
  std::string expected, found;
  if (!job.sha256.empty()) {
    expected = job.sha256;
    found = sha256_of_file(part.data_path(), progress);
  } else if (!job.git_sha1.empty()) {
    expected = job.git_sha1;
    found = git_sha1_of_file(part.data_path(), progress);
  }
  if (expected == found) return;
  part.discard();
  fail(ErrorKind::system, "{}: what arrived is not what was published: hash {}, expected {}; it was deleted", job.name,
       found, expected);
}

}  // namespace

void download(const FileJob& job, const DownloadOptions& options) {
  std::string identity = published_identity(job), etag;
  if (identity.empty()) {
    etag = ask_etag(job, options);
    identity = etag.empty() ? "" : "etag:" + etag;
  }
  PartFile part(job.target, job.size, identity, options.piece);
  const std::uint64_t earlier = part.done();
  if (options.resumed && earlier > 0) options.resumed(earlier);
  try {
    Transfer(job, options, part, etag).run();
  } catch (...) {
    part.save();
    throw;
  }
  part.save();
  verify(job, part, options);
  part.finish();
}

}  // namespace limpid

// A local stand-in for the Hugging Face hub and the content network it redirects to: two servers on the loopback, with
// repositories in memory and the faults that a test asks for. Content over `threshold` bytes is "LFS": the listing has
// its sha256, resolve/ redirects to the other server.
#pragma once

#include <openssl/evp.h>

#include <atomic>
#include <deque>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/net/test_server.h"

namespace limpid::test {

inline std::string hex_digest(const EVP_MD* kind, const std::string& text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), bytes, &length, kind, nullptr);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < length; ++i) out += {kHex[bytes[i] >> 4], kHex[bytes[i] & 15]};
  return out;
}

inline std::string sha256(const std::string& text) { return hex_digest(EVP_sha256(), text); }
inline std::string git_sha1(const std::string& text) {
  return hex_digest(EVP_sha1(), "blob " + std::to_string(text.size()) + '\0' + text);
}

// Bytes that look like a GGUF to the store and are different for every seed.
inline std::string fake_gguf(std::size_t size, unsigned seed) {
  std::string out = "GGUF";
  std::uint64_t state = seed * 2654435761u + 1;
  while (out.size() < size) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    out += static_cast<char>(state >> 56);
  }
  out.resize(size);
  return out;
}

class FakeHub {
 public:
  static constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

  FakeHub()
      : cdn_([this](const Request& r) {
          changed();
          return serve_content(r);
        }),
        hub_([this](const Request& r) {
          changed();
          return serve_hub(r);
        }) {}

  // Settings, before or between requests. A client in another process: changed() after a change, because the thread sanitizer cannot see that the
  // request came later.
  void changed() { const std::lock_guard lock(mutex_); }
  std::map<std::string, std::string> files;  // of every repository, by path
  std::size_t threshold = 1000;
  std::string commit = kCommit;
  std::string token;  // required when not empty
  bool publish_hashes = true;
  bool ranges = true;
  std::size_t page = 1000;                  // entries of a listing per page
  std::map<std::string, std::string> lies;  // path -> content that is sent instead
  // Faults of the content server: the next answers, in order; `pass` answers as it should.
  enum class Fault { pass, cut, reset, busy, server_error, refuse, short_body };
  std::atomic<std::chrono::milliseconds> per_block{std::chrono::milliseconds(0)};  // changed while requests run, too

  void fault(Fault kind, int times = 1) {
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < times; ++i) faults_.push_back(kind);
  }

  std::string url() const { return hub_.url(); }
  std::string cdn_url() const { return cdn_.url(); }
  std::vector<Request> hub_requests() const { return hub_.requests(); }
  std::vector<Request> cdn_requests() const { return cdn_.requests(); }
  std::uint64_t content_sent() const { return sent_; }

 private:
  static bool split(const std::string& text, const std::string& mark, std::string& before, std::string& after) {
    const std::size_t at = text.find(mark);
    if (at == std::string::npos) return false;
    before = text.substr(0, at);
    after = text.substr(at + mark.size());
    return true;
  }

  bool large(const std::string& path) const { return files.at(path).size() > threshold; }

  Reply serve_hub(const Request& request) {
    if (!token.empty() && request.header("authorization") != "Bearer " + token)
      return {.status = 401, .body = "who are you"};
    std::string repository, rest;
    if (split(request.target, "/revision/", repository, rest)) {
      if (repository == "/api/models/gone/gone") return {.status = 404};
      return {.headers = {{"Content-Type", "application/json"}},
              .body = nlohmann::json{{"sha", commit}, {"id", "x"}}.dump()};
    }
    if (split(request.target, "/tree/", repository, rest)) return listing(request.target, rest);
    if (split(request.target, "/resolve/", repository, rest)) {
      std::string of, path;
      if (!split(rest, "/", of, path) || of != commit || files.count(path) == 0) return {.status = 404};
      if (!large(path)) return content(request, path);
      return {.status = 302,
              .headers = {{"Location", cdn_.url() + "/blob/" + path + "?signature=abc"},
                          {"X-Linked-Etag", publish_hashes ? "\"" + sha256(sent_content(path)) + "\""
                                                           : "\"tag-" + sha256(sent_content(path)).substr(0, 8) + "\""},
                          {"X-Linked-Size", std::to_string(files.at(path).size())},
                          {"X-Repo-Commit", commit}},
              .body = "Found"};
    }
    return {.status = 404};
  }

  Reply listing(const std::string& target, const std::string& rest) {
    std::size_t begin = 0;
    const std::size_t cursor = rest.find("cursor=");
    if (cursor != std::string::npos) begin = std::stoul(rest.substr(cursor + 7));
    nlohmann::json entries = nlohmann::json::array();
    std::size_t index = 0;
    for (const auto& [path, text] : files) {
      if (index++ < begin || entries.size() >= page) continue;
      nlohmann::json entry = {{"type", "file"}, {"path", path}, {"size", text.size()}};
      if (publish_hashes) entry["oid"] = git_sha1(text);
      if (large(path) && publish_hashes)
        entry["lfs"] = {{"oid", sha256(text)}, {"size", text.size()}, {"pointerSize", 134}};
      entries.push_back(entry);
    }
    Reply reply{.body = entries.dump()};
    if (begin + page < files.size())
      reply.headers["Link"] = "<" + hub_.url() + target.substr(0, target.find('?')) +
                              "?recursive=true&cursor=" + std::to_string(begin + page) + ">; rel=\"next\"";
    return reply;
  }

  const std::string& sent_content(const std::string& path) const {
    return lies.count(path) ? lies.at(path) : files.at(path);
  }

  Reply serve_content(const Request& request) {
    std::string before, path;
    if (!split(request.target, "/blob/", before, path)) return {.status = 404};
    path = path.substr(0, path.find('?'));
    if (files.count(path) == 0) return {.status = 404};
    Fault kind = Fault::pass;
    {
      const std::lock_guard lock(mutex_);
      if (!faults_.empty()) {
        kind = faults_.front();
        faults_.pop_front();
      }
    }
    if (kind == Fault::reset) return {.reset = true};
    if (kind == Fault::busy) return {.status = 429, .headers = {{"Retry-After", "2"}}};
    if (kind == Fault::server_error) return {.status = 502};
    if (kind == Fault::refuse) return {.status = 403};
    Reply reply = content(request, path);
    if (kind == Fault::cut) reply.cut_after = reply.body.size() / 2;
    if (kind == Fault::short_body) reply.body.resize(reply.body.size() / 3);  // and a Content-Length that agrees
    sent_ += reply.cut_after.value_or(reply.body.size());
    reply.per_block = per_block.load();
    return reply;
  }

  Reply content(const Request& request, const std::string& path) {
    const std::string& text = sent_content(path);
    Reply reply;
    reply.headers["ETag"] = "\"tag-" + sha256(text).substr(0, 8) + "\"";
    const std::string range = request.header("range");
    if (range.empty() || !ranges) {
      reply.body = text;
      return reply;
    }
    const std::size_t first = std::stoul(range.substr(6)), dash = range.find('-');
    const std::size_t last =
        dash + 1 == range.size() ? text.size() - 1 : std::min(text.size() - 1, std::stoul(range.substr(dash + 1)));
    if (first >= text.size()) return {.status = 416};
    reply.status = 206;
    reply.body = text.substr(first, last - first + 1);
    reply.headers["Content-Range"] =
        "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(text.size());
    return reply;
  }

  std::mutex mutex_;
  std::deque<Fault> faults_;
  std::atomic<std::uint64_t> sent_{0};
  TestServer cdn_, hub_;
};

}  // namespace limpid::test

// Fetches one file: several ranges at once, each retried and resumed on its own, then verified, then renamed into
// place. A transfer that was stopped or broke leaves TARGET.part and its state (part_file.h), and the next download()
// goes on from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "net/http_client.h"
#include "net/retry.h"

namespace limpid {

struct FileJob {
  HttpRequest request;           // without a range
  std::filesystem::path target;  // its folder exists
  std::string name;              // for messages
  std::uint64_t size = 0;
  std::string sha256,
      git_sha1;  // "" where the hub publishes none; then the server's ETag says whether the content is still the same
};

struct DownloadOptions {
  int connections = 4;
  std::uint64_t piece = std::uint64_t{32} << 20;
  HttpOptions http;
  RetryPolicy retry;
  // Called from several threads, one at a time: bytes that arrived (negative: thrown away), and, while verifying, bytes
  // that were read.
  std::function<void(std::int64_t)> arrived;
  std::function<void(std::uint64_t)> resumed;  // bytes that an earlier transfer left, before the first that arrives
  std::function<void(std::uint64_t)> verified;
};

// Throws Error: cancelled (http.cancelled said so), resources (disk full), not_found | input (the hub refuses), system
// (the network; or the content is not what was published: then nothing is kept).
void download(const FileJob& job, const DownloadOptions& options);

}  // namespace limpid

// The Hugging Face hub's HTTP interface, as far as fetching needs it:
//   GET {endpoint}/api/models/{repo}/revision/{revision}       -> {"sha": COMMIT, ...}
//   GET {endpoint}/api/models/{repo}/tree/{commit}?recursive=true  -> [{type, path, size, oid, lfs: {oid, size}}],
//   paged by Link: rel="next" GET {endpoint}/{repo}/resolve/{commit}/{path}              -> the file, or a redirect to
//   where it lies
// The token goes to the endpoint's origin only (net/http_client.h). One thread at a time.
#pragma once

#include <string>
#include <vector>

#include "hub/reference.h"
#include "net/http_client.h"
#include "net/retry.h"

namespace limpid {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";
  std::string token;
  HttpOptions http;
  RetryPolicy retry;
};

class Hub {
 public:
  explicit Hub(HubOptions options);

  // The commit that a branch, tag or commit means. Throws Error(not_found | input | system) that says what the hub
  // answered and what to do.
  std::string commit(const std::string& repository, const std::string& revision);
  std::vector<RemoteFile> list(const std::string& repository, const std::string& commit);

  // The request for a file's content; ranges are the caller's.
  HttpRequest file_request(const std::string& repository, const std::string& commit, const std::string& path) const;

  const HubOptions& options() const { return options_; }

 private:
  HttpResponse get(const std::string& url, const std::string& repository);

  HubOptions options_;
  std::string origin_;
  HttpClient client_;
};

// Throws the Error that an answer other than success means; `what` is the repository or file.
[[noreturn]] void fail_answer(const HttpResponse& response, const std::string& what, bool with_token);

}  // namespace limpid

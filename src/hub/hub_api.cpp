#include "hub/hub_api.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "net/url.h"

namespace limpid {

using Json = nlohmann::json;

namespace {

constexpr int kMaxPages = 1000;
constexpr std::uint64_t kMaxFile = std::uint64_t{1} << 50;  // a petabyte: sums of sizes cannot overflow

std::string without_slash(std::string text) {
  while (!text.empty() && text.back() == '/') text.pop_back();
  return text;
}

bool is_hex(const std::string& text, std::size_t length) {
  return text.size() == length && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The address of rel="next" in a Link header; "" when there is none.
std::string next_page(const std::string& link) {
  std::size_t begin = 0;
  while ((begin = link.find('<', begin)) != std::string::npos) {
    const std::size_t end = link.find('>', begin);
    if (end == std::string::npos) return "";
    const std::size_t comma = std::min(link.find(",", end), link.size());
    if (link.substr(end, comma - end).find("rel=\"next\"") != std::string::npos)
      return link.substr(begin + 1, end - begin - 1);
    begin = comma;
  }
  return "";
}

// What is no JSON did not come from a hub: a proxy's page, a broken mirror.
Json parse_answer(const HttpResponse& response, const std::string& repository) {
  try {
    return parse_json(response.body, response.url);
  } catch (const Error& error) {
    fail(ErrorKind::system, "{}: the answer is none of a hub: {}", repository, error.what());
  }
}

std::uint64_t read_size(const Json& json, const std::string& path) {
  const Json& size = json.at("size");
  if (!size.is_number_unsigned() || size.get<std::uint64_t>() > kMaxFile)
    fail(ErrorKind::system, "{}: its size is said to be {}", path, size.dump());
  return size.get<std::uint64_t>();
}

RemoteFile read_entry(const Json& entry) {
  RemoteFile file;
  file.path = entry.at("path").get<std::string>();
  file.size = read_size(entry, file.path);
  const auto lfs = entry.find("lfs");
  if (lfs != entry.end() && lfs->is_object()) {
    file.sha256 = lfs->at("oid").get<std::string>();
    file.size = read_size(*lfs, file.path);
    if (file.sha256.rfind("sha256:", 0) == 0) file.sha256 = file.sha256.substr(7);
    if (!is_hex(file.sha256, 64)) fail(ErrorKind::input, "{}: its sha256 is '{}'", file.path, file.sha256);
  } else {
    file.git_sha1 = entry.value("oid", std::string());
    if (!is_hex(file.git_sha1, 40)) file.git_sha1.clear();
  }
  return file;
}

}  // namespace

void fail_answer(const HttpResponse& response, const std::string& what, bool with_token) {
  if (!response.error.empty()) fail(ErrorKind::system, "{}: {} ({})", what, response.error, url_origin(response.url));
  const std::string said = response.header("x-error-message");
  const std::string tail = said.empty() ? "" : ": " + said;
  switch (response.status) {
    case 401:
      if (with_token) fail(ErrorKind::input, "{}: not there, or HF_TOKEN may not read it (401){}", what, tail);
      fail(ErrorKind::input, "{}: not there, or not public (401); if you may read it, put your token into HF_TOKEN{}",
           what, tail);
    case 403:
      fail(ErrorKind::input,
           "{}: access refused (403); a gated model wants its terms accepted on the hub's page by the account of "
           "HF_TOKEN{}",
           what, tail);
    case 404:
      fail(ErrorKind::not_found, "{}: not found on the hub (404){}", what, tail);
    case 429:
      fail(ErrorKind::system, "{}: the hub asks to slow down (429); try again later{}", what, tail);
    default:
      fail(ErrorKind::system, "{}: the hub answered {}{}", what, response.status, tail);
  }
}

Hub::Hub(HubOptions options) : options_(std::move(options)), client_(options_.http) {
  options_.endpoint = without_slash(options_.endpoint);
  origin_ = url_origin(options_.endpoint);
}

HttpResponse Hub::get(const std::string& url, const std::string& repository) {
  HttpRequest request;
  request.url = url;
  request.headers["Accept"] = "application/json";
  request.bearer = options_.token;
  request.bearer_origin = origin_;
  HttpResponse response = get_with_retries(client_, request, options_.retry);
  if (!response.ok()) fail_answer(response, repository, !options_.token.empty());
  return response;
}

std::string Hub::commit(const std::string& repository, const std::string& revision) {
  const HttpResponse response = get(
      options_.endpoint + "/api/models/" + url_escape_path(repository) + "/revision/" + url_escape_segment(revision),
      repository);
  const Json json = parse_answer(response, repository);
  const auto sha = json.is_object() ? json.find("sha") : json.end();
  if (!json.is_object() || sha == json.end() || !sha->is_string() || !is_hex(sha->get<std::string>(), 40))
    fail(ErrorKind::system, "{}: {} did not answer as a hub does: no commit for revision '{}'", repository,
         options_.endpoint, revision);
  return sha->get<std::string>();
}

std::vector<RemoteFile> Hub::list(const std::string& repository, const std::string& commit) {
  std::vector<RemoteFile> files;
  std::string url = options_.endpoint + "/api/models/" + url_escape_path(repository) + "/tree/" +
                    url_escape_segment(commit) + "?recursive=true";
  for (int page = 0; !url.empty(); ++page) {
    if (page >= kMaxPages) fail(ErrorKind::system, "{}: its listing has more than {} pages", repository, kMaxPages);
    const HttpResponse response = get(url, repository);
    try {
      for (const Json& entry : parse_answer(response, repository))
        if (entry.at("type").get<std::string>() == "file") files.push_back(read_entry(entry));
    } catch (const Json::exception& error) {
      fail(ErrorKind::system, "{}: listing: {}", repository, error.what());
    }
    const std::string next = next_page(response.header("link"));
    url = next.empty() ? "" : url_join(response.url, next);
  }
  return files;
}

HttpRequest Hub::file_request(const std::string& repository, const std::string& commit, const std::string& path) const {
  HttpRequest request;
  request.url = options_.endpoint + "/" + url_escape_path(repository) + "/resolve/" + url_escape_segment(commit) + "/" +
                url_escape_path(path);
  request.bearer = options_.token;
  request.bearer_origin = origin_;
  return request;
}

}  // namespace limpid

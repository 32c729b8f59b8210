#include "net/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <exception>
#include <string_view>

#include "base/error.h"
#include "net/url.h"

namespace limpid {

namespace {

constexpr std::size_t kMaxHeaders = 256 << 10;    // all headers of one answer
constexpr std::size_t kKeptErrorBody = 64 << 10;  // enough for a service to say what is wrong

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r' || text.back() == '\n'))
    text.remove_suffix(1);
  return text;
}

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// One exchange, seen from libcurl's callbacks. Exceptions do not cross C code: they wait in `thrown`.
struct Transfer {
  const HttpOptions* options = nullptr;
  const std::function<bool(const HttpResponse&)>* accept = nullptr;
  const std::function<void(std::span<const std::byte>)>* sink = nullptr;
  CURL* curl = nullptr;
  HttpResponse response;
  const std::map<std::string, std::string>* first_headers = nullptr;  // of the first hop; null: this is the first
  std::size_t header_bytes = 0;
  bool accepted = false;  // accept() was asked and said yes
  bool declined = false;  // accept() said no
  bool cancelled = false;
  std::exception_ptr thrown;

  void header_line(std::string_view line) {
    if (line.substr(0, 5) ==
        "HTTP/") {  // a new header block: an interim answer (100), a proxy's answer to CONNECT, or the answer
      response.headers.clear();
      return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    response.headers[lower(trim(line.substr(0, colon)))] = std::string(trim(line.substr(colon + 1)));
  }

  // Asks accept() once, when the headers are complete. False: stop here.
  bool begin_body() {
    if (accepted || declined) return accepted;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
    response.first_headers = first_headers == nullptr ? response.headers : *first_headers;
    if (response.status < 200 || response.status >= 300) {
      accepted = true;
      return true;
    }
    accepted = (*accept)(response);
    declined = !accepted;
    return accepted;
  }

  bool body(std::span<const std::byte> bytes) {
    if (!begin_body()) return false;
    if (response.status >= 200 && response.status < 300) {
      (*sink)(bytes);
    } else if (response.body.size() < kKeptErrorBody) {
      const std::size_t take = std::min(bytes.size(), kKeptErrorBody - response.body.size());
      response.body.append(reinterpret_cast<const char*>(bytes.data()), take);
    }
    return true;
  }
};

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  Transfer& exchange = *static_cast<Transfer*>(user);
  try {
    exchange.header_bytes += size;
    if (exchange.header_bytes > kMaxHeaders) fail(ErrorKind::system, "more than {} bytes of headers", kMaxHeaders);
    exchange.header_line(std::string_view(data, size));
    return size;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return 0;
  }
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  Transfer& exchange = *static_cast<Transfer*>(user);
  try {
    return exchange.body({reinterpret_cast<const std::byte*>(data), size}) ? size : 0;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return 0;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  Transfer& exchange = *static_cast<Transfer*>(user);
  try {
    exchange.cancelled = exchange.options->cancelled && exchange.options->cancelled();
    return exchange.cancelled ? 1 : 0;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return 1;
  }
}

using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

void add_header(HeaderList& list, const std::string& line) {
  if (line.find_first_of("\r\n") != std::string::npos)
    fail(ErrorKind::input, "header '{}' holds a line break", line.substr(0, line.find(':')));
  curl_slist* grown = curl_slist_append(list.get(), line.c_str());
  if (grown == nullptr) fail(ErrorKind::resources, "out of memory for a request's headers");
  static_cast<void>(list.release());
  list.reset(grown);
}

HeaderList header_list(const HttpRequest& request, const std::string& url) {
  HeaderList list(nullptr, &curl_slist_free_all);
  for (const auto& [name, value] : request.headers) add_header(list, name + ": " + value);
  if (!request.bearer.empty() && url_origin(url) == request.bearer_origin)
    add_header(list, "Authorization: Bearer " + request.bearer);
  return list;
}

}  // namespace

std::string HttpResponse::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

struct HttpClient::Handle {
  CURL* curl = nullptr;
  bool initialised = false;
  char message[CURL_ERROR_SIZE] = {};

  ~Handle() {
    if (curl != nullptr) curl_easy_cleanup(curl);
    if (initialised) curl_global_cleanup();
  }

  void prepare(const std::string& url, const HttpRequest& request, const HttpOptions& options, curl_slist* headers,
               Transfer& exchange) {
    curl_easy_reset(curl);  // keeps the connections
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, options.user_agent.c_str());
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, options.connect_timeout_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, options.stall_timeout_s);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
    if (request.first) {
      const std::string range = fmt::format("{}-{}", *request.first, request.last ? std::to_string(*request.last) : "");
      curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
    }
    if (request.post) {
      curl_easy_setopt(curl, CURLOPT_POST, 1L);
      curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.post->size()));
      curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.post->data());  // the request outlives the transfer
    }
    message[0] = 0;
  }

  // One request to one address, without redirects.
  HttpResponse perform(const std::string& url, const HttpRequest& request, const HttpOptions& options,
                       const std::map<std::string, std::string>* first_headers,
                       const std::function<bool(const HttpResponse&)>& accept,
                       const std::function<void(std::span<const std::byte>)>& sink) {
    const HeaderList headers = header_list(request, url);
    Transfer exchange;
    exchange.options = &options;
    exchange.accept = &accept;
    exchange.sink = &sink;
    exchange.curl = curl;
    exchange.first_headers = first_headers;
    exchange.response.url = url;
    prepare(url, request, options, headers.get(), exchange);
    const CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange.response.status);
    if (exchange.thrown) std::rethrow_exception(exchange.thrown);
    if (exchange.cancelled) fail(ErrorKind::cancelled, "stopped while fetching {}", url);
    if (code == CURLE_OK) exchange.begin_body();  // an empty body: accept() was not asked yet
    if (code != CURLE_OK && !exchange.declined)
      exchange.response.error = message[0] != 0 ? message : curl_easy_strerror(code);
    return std::move(exchange.response);
  }
};

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)), handle_(std::make_unique<Handle>()) {
  if (options_.offline) return;  // nothing of libcurl is touched
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) fail(ErrorKind::system, "libcurl: initialisation failed");
  handle_->initialised = true;
  handle_->curl = curl_easy_init();
  if (handle_->curl == nullptr) fail(ErrorKind::resources, "libcurl: out of memory");
}

HttpClient::~HttpClient() = default;

HttpResponse HttpClient::stream(const HttpRequest& request, const std::function<bool(const HttpResponse&)>& accept,
                                const std::function<void(std::span<const std::byte>)>& sink) {
  if (options_.offline) fail(ErrorKind::input, "{}: not fetched, because --offline was given", request.url);
  std::string url = request.url;
  url_origin(url);
  std::map<std::string, std::string> first_headers;
  for (int hop = 0;; ++hop) {
    HttpResponse response = handle_->perform(url, request, options_, hop == 0 ? nullptr : &first_headers, accept, sink);
    if (hop == 0) first_headers = response.headers;
    const std::string location = response.header("location");
    if (!response.error.empty() || !is_redirect(response.status) || location.empty() || request.post) return response;
    if (hop >= request.redirects) {
      response.error = fmt::format("more than {} redirects", request.redirects);
      return response;
    }
    const std::string next = url_join(url, location);
    if (url.rfind("https://", 0) == 0 && next.rfind("https://", 0) != 0)
      fail(ErrorKind::system, "{}: redirected from https to {}, which is refused", request.url, url_origin(next));
    url = next;
  }
}

HttpResponse HttpClient::get(const HttpRequest& request, std::size_t limit) {
  std::string body;
  HttpResponse response = stream(
      request, [](const HttpResponse&) { return true; },
      [&](std::span<const std::byte> bytes) {
        if (bytes.size() > limit - body.size())
          fail(ErrorKind::system, "{}: the answer is longer than {} bytes", request.url, limit);
        body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      });
  if (response.status >= 200 && response.status < 300) response.body = std::move(body);
  return response;
}

}  // namespace limpid

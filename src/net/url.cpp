#include "net/url.h"

#include <curl/curl.h>

#include <memory>

#include "base/error.h"

namespace limpid {

namespace {

// libcurl's own parser: the part of a URL that decides who gets a token must be read exactly as the transfer will read
// it.
using UrlHandle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

UrlHandle parse(const std::string& url) {
  UrlHandle handle(curl_url(), &curl_url_cleanup);
  if (!handle) fail(ErrorKind::resources, "address {}: out of memory", url);
  const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), 0);
  if (code != CURLUE_OK) fail(ErrorKind::input, "address '{}': {}", url, curl_url_strerror(code));
  return handle;
}

std::string part(const UrlHandle& handle, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(handle.get(), what, &text, flags) != CURLUE_OK || text == nullptr) return "";
  const std::string copy = text;
  curl_free(text);
  return copy;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string escape(std::string_view text, bool keep_slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~' || (keep_slash && c == '/');
    if (plain) {
      out += c;
    } else {
      const unsigned char byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

}  // namespace

std::string url_origin(std::string_view url) {
  const std::string text(url);
  const UrlHandle handle = parse(text);
  const std::string scheme = lower(part(handle, CURLUPART_SCHEME));
  if (scheme != "http" && scheme != "https")
    fail(ErrorKind::input, "address '{}': expected http or https, found '{}'", text, scheme);
  if (!part(handle, CURLUPART_USER).empty() || !part(handle, CURLUPART_PASSWORD).empty())
    fail(ErrorKind::input, "address of host '{}': a user name or password in it is refused",
         part(handle, CURLUPART_HOST));
  return scheme + "://" + lower(part(handle, CURLUPART_HOST)) + ":" + part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

std::string url_join(const std::string& base, std::string_view location) {
  UrlHandle handle = parse(base);
  const std::string text(location);
  const CURLUcode code =
      curl_url_set(handle.get(), CURLUPART_URL, text.c_str(), 0);  // relative to what the handle holds
  if (code != CURLUE_OK) fail(ErrorKind::input, "redirect from {} to '{}': {}", base, text, curl_url_strerror(code));
  const std::string joined = part(handle, CURLUPART_URL);
  url_origin(joined);
  return joined;
}

std::string url_escape_path(std::string_view path) { return escape(path, true); }

std::string url_escape_segment(std::string_view segment) { return escape(segment, false); }

}  // namespace limpid

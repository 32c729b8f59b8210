#include "net/http_target.h"

#include <algorithm>
#include <cstddef>

namespace limpid {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool percent_decode(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = hex(text[i + 1]), low = hex(text[i + 2]);
    if (high < 0 || low < 0) return false;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

// Bytes that follow the first byte of a UTF-8 sequence; -1: none begins so. `least` bars overlong forms.
int utf8_tail(unsigned char first, unsigned& value, unsigned& least) {
  if (first < 0x80) return 0;
  if (first >= 0xC2 && first < 0xE0) return value = first & 0x1F, least = 0x80, 1;
  if (first >= 0xE0 && first < 0xF0) return value = first & 0x0F, least = 0x800, 2;
  if (first >= 0xF0 && first < 0xF5) return value = first & 0x07, least = 0x10000, 3;
  return -1;
}

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    unsigned value = 0, least = 0;
    const int tail = utf8_tail(static_cast<unsigned char>(text[i++]), value, least);
    if (tail < 0 || text.size() - i < static_cast<std::size_t>(tail)) return false;
    for (int k = 0; k < tail; ++k) {
      const auto byte = static_cast<unsigned char>(text[i++]);
      if ((byte & 0xC0) != 0x80) return false;
      value = value << 6 | (byte & 0x3F);
    }
    if (tail > 0 && (value < least || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))) return false;
  }
  return true;
}

// Of a decoded path: one '/' between segments. False: a segment that names a place by another one.
bool normalise(std::string_view decoded, std::string& path) {
  std::size_t at = 0;
  while (at < decoded.size()) {
    const std::size_t end = std::min(decoded.find('/', at), decoded.size());
    const std::string_view segment = decoded.substr(at, end - at);
    if (segment == "." || segment == "..") return false;
    path += segment;
    if (end < decoded.size() && !path.ends_with('/')) path += '/';
    at = end + 1;
  }
  return true;
}

}  // namespace

std::optional<RequestTarget> parse_target(std::string_view target, std::string& why) {
  const auto refused = [&](const char* reason) {
    why = reason;
    return std::nullopt;
  };
  if (!target.starts_with('/')) return refused("the request target must begin with '/'");
  const auto plain = [](char c) { return c > 0x20 && c < 0x7F && c != '#'; };
  if (!std::all_of(target.begin(), target.end(), plain))
    return refused("the request target holds a character that must be percent-encoded");
  const std::size_t question = target.find('?');
  RequestTarget result;
  std::string decoded;
  if (!percent_decode(target.substr(0, question), decoded))
    return refused("the path holds a '%' without two hexadecimal digits");
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\'; };
  if (std::any_of(decoded.begin(), decoded.end(), control) || !valid_utf8(decoded))
    return refused("the path holds a control character, a backslash or bytes that are not UTF-8");
  if (!normalise(decoded, result.path)) return refused("the path holds a segment '.' or '..'");
  if (question != std::string_view::npos) result.query = target.substr(question + 1);
  return result;
}

bool valid_host(std::string_view host) {
  std::string_view port;
  const auto one_of = [](std::string_view text, std::string_view more) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             more.find(c) != std::string_view::npos;
    });
  };
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos || end < 3 || !one_of(host.substr(1, end - 1), ":.")) return false;
    port = host.substr(end + 1);
  } else {
    const std::size_t colon = std::min(host.find(':'), host.size());
    if (colon == 0 || !one_of(host.substr(0, colon), "-._")) return false;
    port = host.substr(colon);
  }
  if (port.empty()) return true;
  port.remove_prefix(1);
  return host[host.size() - port.size() - 1] == ':' && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace limpid

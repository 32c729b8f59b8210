// Any bytes as what a peer sends: the same requests however the bytes are cut, and whatever is let through keeps what
// net/http_request_parser.h and net/http_target.h promise. Byte 0 picks the cuts.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/http_request_parser.h"
#include "net/http_wire.h"

namespace {

using limpid::HttpRequestParser;
using Stage = HttpRequestParser::Stage;

constexpr limpid::HttpRequestLimits kLimits{
    .header_bytes = 2000, .body_bytes = 1000, .target_bytes = 200, .fields = 20};

void check(bool holds) {
  if (!holds) std::abort();
}

int count(const limpid::ServedRequest& request, std::string_view name) {
  int found = 0;
  for (const auto& field : request.headers) found += limpid::same_name(field.first, name) ? 1 : 0;
  return found;
}

void check_request(const limpid::ServedRequest& request, bool http_1_0) {
  check(!request.method.empty() && request.method != "CONNECT" && request.method != "TRACE");
  check(request.path.starts_with('/') && request.path.find("//") == std::string::npos);
  check((request.path + '/').find("/../") == std::string::npos &&
        (request.path + '/').find("/./") == std::string::npos);
  for (const unsigned char c : request.path) check(c >= 0x20 && c != 0x7F && c != '\\');
  for (const unsigned char c : request.query) check(c > 0x20 && c < 0x7F);
  check(request.body.size() <= kLimits.body_bytes && request.headers.size() <= kLimits.fields);
  for (const auto& [name, value] : request.headers) {
    check(!name.empty() && name.find_first_of(std::string_view(" \t\r\n:\0", 6)) == std::string::npos);
    check(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  check(count(request, "Host") == 1 || (http_1_0 && count(request, "Host") == 0));
  check(count(request, "Content-Length") + count(request, "Transfer-Encoding") <= 1);
  if (count(request, "Content-Length") == 1)
    check(std::to_string(request.body.size()) ==
          std::to_string(std::stoull(std::string(request.header("content-length")))));
  if (count(request, "Content-Length") + count(request, "Transfer-Encoding") == 0) check(request.body.empty());
}

// All requests that the parser finds, as text.
std::string transcript(std::string_view bytes, std::size_t most) {
  HttpRequestParser parser(kLimits);
  std::string out;
  std::size_t step = 1;
  while (!bytes.empty()) {
    const std::size_t size = most == 0 ? bytes.size() : std::min(bytes.size(), step);
    Stage stage = parser.feed(bytes.substr(0, size));
    bytes.remove_prefix(size);
    step = step % (most ? most : 1) + 1;
    while (stage == Stage::done) {
      out += parser.keep_alive() ? "\nkept " : "\nlast ";
      const bool http_1_0 = parser.http_1_0();
      const limpid::ServedRequest request = parser.take();
      check_request(request, http_1_0);
      out += request.method + ' ' + request.path + '?' + request.query;
      for (const auto& [name, value] : request.headers) out += '\n' + name + ':' + value;
      out += "\n\n" + request.body;
      stage = parser.next();
    }
    if (stage == Stage::fault) {
      check(parser.fault().status >= 400 && parser.fault().status < 600 && !parser.fault().message.empty());
      return out;  // how early a fault shows may depend on the cuts
    }
    check(parser.body_received() <= kLimits.body_bytes);
    check(most == 0 || parser.buffered() <= kLimits.header_bytes + most);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = transcript(bytes, 0);
  if (transcript(bytes, 1) != whole || transcript(bytes, data[0] % 64 + 2) != whole) __builtin_trap();
  return 0;
}

#include "net/http_request_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "net/http_target.h"
#include "net/http_wire.h"

namespace limpid {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;

std::string_view view(string_view text) { return {text.data(), text.size()}; }

HttpFault bad(std::string message) { return {400, "bad_request", std::move(message)}; }

// Beast calls this for what it has recognised; a refusal of ours is kept in `fault`, and any error code ends the parse.
class Parser final : public http::basic_parser<true> {
 public:
  explicit Parser(const HttpRequestLimits& limits) : limits_(limits) {
    eager(true);
    header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(limits.header_bytes, UINT32_MAX)));
    body_limit(limits.body_bytes);
  }

  ServedRequest request;
  std::optional<HttpFault> fault;
  bool expects_continue = false;
  bool http_1_0 = false;

 private:
  using error_code = boost::beast::error_code;

  void refuse(HttpFault why, error_code& ec) {
    fault = std::move(why);
    ec = http::error::bad_value;
  }

  void on_request_impl(http::verb, string_view method, string_view target, int version, error_code& ec) override {
    http_1_0 = version == 10;
    request.method = view(method);
    if (request.method == "CONNECT" || request.method == "TRACE")
      return refuse({405, "method_not_allowed", "CONNECT and TRACE are not served"}, ec);
    if (target.size() > limits_.target_bytes)
      return refuse(
          {414, "uri_too_long",
           fmt::format("the request target has {} bytes, the limit is {}", target.size(), limits_.target_bytes)},
          ec);
    if (request.method == "OPTIONS" && target == "*") {
      request.path = "/";
      return;
    }
    std::string why;
    auto parsed = limpid::parse_target(view(target), why);
    if (!parsed) return refuse(bad(std::move(why)), ec);
    request.path = std::move(parsed->path);
    request.query = std::move(parsed->query);
  }

  void on_response_impl(int, string_view, int, error_code&) override {}

  void on_field_impl(http::field field, string_view name, string_view value, error_code& ec) override {
    if (head_done_) return;  // a trailer: read and dropped
    if (request.headers.size() == limits_.fields)
      return refuse({431, "headers_too_large", fmt::format("more than {} header fields", limits_.fields)}, ec);
    if (field == http::field::content_length) {
      const bool digits = std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (++lengths_ > 1 || codings_ > 0 || !digits || value.empty())
        return refuse(bad("Content-Length must be given once, as digits, and not beside Transfer-Encoding"), ec);
    }
    if (field == http::field::transfer_encoding) {
      if (++codings_ > 1 || lengths_ > 0)
        return refuse(bad("Transfer-Encoding must be given once and not beside Content-Length"), ec);
      if (http_1_0) return refuse(bad("HTTP/1.0 knows no Transfer-Encoding"), ec);
      if (!same_name(view(value), "chunked"))
        return refuse({501, "not_implemented", "the only Transfer-Encoding known here is chunked"}, ec);
    }
    if (field == http::field::host && (++hosts_ > 1 || !valid_host(view(value))))
      return refuse(bad("Host must be given once and hold a name or address and perhaps a port"), ec);
    if (field == http::field::expect) {
      if (!same_name(view(value), "100-continue"))
        return refuse({417, "expectation_failed", "the only Expect known here is 100-continue"}, ec);
      expects_continue = !http_1_0;
    }
    request.headers.emplace_back(view(name), view(value));
  }

  void on_header_impl(error_code& ec) override {
    head_done_ = true;
    if (hosts_ == 0 && !http_1_0) refuse(bad("HTTP/1.1 needs a Host header"), ec);
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override {
    request.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    request.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  const HttpRequestLimits& limits_;
  bool head_done_ = false;
  int lengths_ = 0, codings_ = 0, hosts_ = 0;
};

HttpFault fault_of(const boost::beast::error_code& ec, const HttpRequestLimits& limits) {
  if (ec == http::error::header_limit)
    return {431, "headers_too_large",
            fmt::format("the head of the request is larger than {} bytes", limits.header_bytes)};
  if (ec == http::error::body_limit)
    return {413, "payload_too_large", fmt::format("the body is larger than {} bytes", limits.body_bytes)};
  if (ec == http::error::bad_version)
    return {505, "version_not_supported", "the request line must end with HTTP/1.1 or HTTP/1.0"};
  return bad(fmt::format("this is no valid HTTP/1.1 request: {}", ec.message()));
}

// Of a method: whatever begins otherwise (TLS, binary) need not be read to the end of a head that never comes.
bool token_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// How many bytes of chunk headers, extensions and trailers a body may carry: six for each byte of one-byte chunks, and
// some.
constexpr std::size_t kFramingPerByte = 16;

// The shortest end of a chunked body, "0\r\n\r\n". Beast (1.81) asserts that it has as much, once it saw the last chunk
// begin; nothing is late when it is not asked before.
constexpr std::size_t kLeastChunkedEnd = 5;

}  // namespace

struct HttpRequestParser::State {
  explicit State(HttpRequestLimits l) : limits(l) { parser.emplace(limits); }

  Stage parse() {
    if (stage == Stage::done || stage == Stage::fault) return stage;
    if (!begun)  // empty lines before a request are skipped (RFC 9112, 2.2)
      while (buffer.starts_with("\r\n")) buffer.erase(0, 2);
    if (buffer.empty() || (!begun && buffer == "\r")) return stage;
    if (!begun && !token_char(buffer.front())) return refuse(bad("a request begins with a method"));
    begun = true;
    if (stage == Stage::body && parser->chunked() && buffer.size() < kLeastChunkedEnd) return stage;
    boost::beast::error_code ec;
    const std::size_t used = parser->put(boost::asio::buffer(buffer), ec);
    buffer.erase(0, used);
    read += used;
    if (parser->fault) return refuse(std::move(*parser->fault));
    if (ec && ec != http::error::need_more) return refuse(fault_of(ec, limits));
    if (parser->is_done()) return stage = Stage::done;
    if (!parser->is_header_done()) return stage;
    stage = Stage::body;
    if (buffer.size() > limits.header_bytes ||
        read > 2 * limits.header_bytes + (1 + kFramingPerByte) * parser->request.body.size())
      return refuse(bad("the chunks of the body carry more framing than content"));
    return stage;
  }

  Stage refuse(HttpFault why) {
    fault = std::move(why);
    buffer = {};
    return stage = Stage::fault;
  }

  HttpRequestLimits limits;
  std::optional<Parser> parser;
  std::string buffer;    // fed and not yet read
  std::size_t read = 0;  // of this request
  bool begun = false;    // the parser has seen a byte
  Stage stage = Stage::head;
  HttpFault fault;
};

HttpRequestParser::HttpRequestParser(HttpRequestLimits limits) : state_(std::make_unique<State>(limits)) {}
HttpRequestParser::~HttpRequestParser() = default;

HttpRequestParser::Stage HttpRequestParser::feed(std::string_view bytes) {
  if (state_->stage == Stage::fault) return Stage::fault;
  state_->buffer += bytes;
  return state_->parse();
}

HttpRequestParser::Stage HttpRequestParser::stage() const { return state_->stage; }
const HttpFault& HttpRequestParser::fault() const { return state_->fault; }
std::size_t HttpRequestParser::body_received() const { return state_->parser->request.body.size(); }
std::size_t HttpRequestParser::buffered() const { return state_->buffer.size(); }
bool HttpRequestParser::http_1_0() const { return state_->parser->http_1_0; }

bool HttpRequestParser::awaits_continue() const {
  return state_->stage == Stage::body && state_->parser->expects_continue && body_received() == 0 && buffered() == 0;
}

bool HttpRequestParser::keep_alive() const { return state_->stage == Stage::done && state_->parser->keep_alive(); }

const ServedRequest& HttpRequestParser::head() const { return state_->parser->request; }

ServedRequest HttpRequestParser::take() {
  if (state_->buffer.empty()) state_->buffer = {};  // an answer may take minutes
  return std::move(state_->parser->request);
}

HttpRequestParser::Stage HttpRequestParser::next() {
  state_->parser.emplace(state_->limits);
  state_->begun = false;
  state_->read = 0;
  state_->stage = Stage::head;
  return state_->parse();
}

}  // namespace limpid

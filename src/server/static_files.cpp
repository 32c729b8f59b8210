#include "server/static_files.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>
#include <utility>

#include "server/api_error.h"

namespace limpid {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kTypes{{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".wasm", "application/wasm"},
    {".txt", "text/plain; charset=utf-8"},
    {".map", "application/json"},
}};

std::string tag_of(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  std::string tag = "\"";
  for (std::size_t i = 0; i < 12; ++i) tag += fmt::format("{:02x}", digest[i]);
  return tag + "\"";
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string_view media_type(std::string_view name) {
  for (const auto& [ending, type] : kTypes)
    if (name.ends_with(ending)) return type;
  return "application/octet-stream";
}

void add_page_fields(HttpFields& fields) {
  fields.emplace_back("Content-Security-Policy",
                      "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
                      "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
  fields.emplace_back("X-Frame-Options", "DENY");
  fields.emplace_back("Referrer-Policy", "no-referrer");
  fields.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
}

ServedResponse static_response(const StaticFiles& files, std::string_view path, const ServedRequest& request) {
  auto found = files.find(path.empty() ? std::string_view("index.html") : path);
  const bool in_app = path.substr(path.rfind('/') + 1).find('.') == std::string_view::npos;
  if (found == files.end() && in_app) found = files.find("index.html");
  if (found == files.end()) throw not_found("there is nothing at this path", "unknown_path");
  const StaticFile& file = found->second;
  const std::string tag = tag_of(file.bytes);
  ServedResponse response;
  response.headers = {{"Content-Type", std::string(file.type)}, {"ETag", tag}};
  response.headers.emplace_back(
      "Cache-Control", found->first.starts_with("assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  add_page_fields(response.headers);
  if (request.header("If-None-Match") == tag) {
    response.status = 304;
    return response;
  }
  response.body = file.bytes;
  return response;
}

ServedResponse plain_page(const ServedRequest& request, std::string_view version) {
  const std::string base = escaped(fmt::format("{}://{}", request.tls ? "https" : "http", request.header("Host")));
  ServedResponse response;
  response.headers = {{"Content-Type", "text/html; charset=utf-8"}, {"Cache-Control", "no-cache"}};
  add_page_fields(response.headers);
  response.body = fmt::format(R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>limpid</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}}
pre{{overflow:auto;padding:1rem;border:1px solid #8885;border-radius:.5rem}}</style></head><body>
<h1>limpid {1}</h1>
<p>This is the API of a model on this machine, in OpenAI's and DeepSeek's format. Nothing leaves it.</p>
<pre>curl {0}/v1/chat/completions -H 'Content-Type: application/json' \
  -d '{{"messages": [{{"role": "user", "content": "What is 347 + 895?"}}], "stream": true}}'</pre>
<p>For programs: base URL <code>{0}/v1</code>. <a href="/v1/models">Models</a>,
<a href="/health">health</a>, <a href="/metrics">metrics</a>, <a href="/openapi.json">OpenAPI document</a>.</p>
</body></html>
)",
                              base, escaped(version));
  return response;
}

}  // namespace limpid

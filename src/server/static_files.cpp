#include "server/static_files.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "server/api_error.h"

namespace limpid {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kTypes{{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
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

// What a page may do. The app: its own files only, no style and no script written into it. The frame in which diagrams
// are drawn: its own script and any style, no address, no network. The plain page: nothing but its style.
constexpr std::string_view kAppPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src "
    "'self'; "
    "manifest-src 'self'; frame-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors "
    "'none'";
constexpr std::string_view kDiagramPolicy =
    "sandbox allow-scripts; default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'";
constexpr std::string_view kPlainPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

void add_page_fields(HttpFields& fields, std::string_view policy) {
  fields.emplace_back("Content-Security-Policy", std::string(policy));
  fields.emplace_back("Referrer-Policy", "no-referrer");
  fields.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
}

bool takes_gzip(std::string_view accepted) {
  for (std::size_t at = accepted.find("gzip"); at != std::string_view::npos; at = accepted.find("gzip", at + 4)) {
    std::string_view rest = accepted.substr(at + 4, accepted.substr(at + 4).find(','));
    if (rest.find("q=0") == std::string_view::npos || rest.find("q=0.") != std::string_view::npos) return true;
  }
  return false;
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

ServedResponse static_response(const StaticFiles& files, std::string_view path, const ServedRequest& request) {
  const auto found = files.find(path);
  if (found == files.end()) throw not_found("there is nothing at this path", "unknown_path");
  const StaticFile& file = found->second;
  const bool assets = path.starts_with("assets/") && path != "assets/diagram.js";
  ServedResponse response;
  response.headers = {
      {"Content-Type", std::string(file.type)}, {"ETag", std::string(file.tag)}, {"Vary", "Accept-Encoding"}};
  response.headers.emplace_back("Cache-Control", assets ? "public, max-age=31536000, immutable" : "no-cache");
  add_page_fields(response.headers, path == "diagram.html" ? kDiagramPolicy : kAppPolicy);
  if (request.header("If-None-Match") == file.tag) {
    response.status = 304;
  } else if (!file.gzip.empty() && takes_gzip(request.header("Accept-Encoding"))) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = file.gzip;
  } else {
    response.body = file.bytes;
  }
  return response;
}

ServedResponse plain_page(const ServedRequest& request, std::string_view version) {
  const std::string base = escaped(fmt::format("{}://{}", request.tls ? "https" : "http", request.header("Host")));
  ServedResponse response;
  response.headers = {{"Content-Type", "text/html; charset=utf-8"}, {"Cache-Control", "no-cache"}};
  add_page_fields(response.headers, kPlainPolicy);
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

void add_static_routes(Router& router, const StaticFiles& files, const std::string& version) {
  const auto add = [&](const std::string& pattern, std::string path, RouteDoc doc) {
    Route route{"GET", pattern, {}, std::move(doc), true};
    route.any_origin = true;
    route.handler = [&files, path = std::move(path)](Call& call) {
      call.exchange->respond(static_response(files, path, call.request()));
    };
    router.add(std::move(route));
  };
  const RouteDoc page{"page",     "The app, or a page that says what this address is", "server", "", "Text", false,
                      "text/html"};
  if (files.contains("index.html")) {
    add("/", "index.html", page);
  } else {
    Route plain{"GET", "/", {}, page, true};
    plain.handler = [version](Call& call) { call.exchange->respond(plain_page(call.request(), version)); };
    router.add(std::move(plain));
  }
  for (const auto& [path, file] : files) add("/" + path, path, {});
}

}  // namespace limpid

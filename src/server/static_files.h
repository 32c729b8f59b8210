// The files of the app in the browser, as the program carries them. Immutable.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "net/http_server.h"
#include "server/router.h"

namespace limpid {

struct StaticFile {
  std::string_view bytes;      // these live as long as the program
  std::string_view gzip;       // the same, compressed; empty: only plain
  std::string_view type, tag;  // media type, and ETag with its quotes
};

// By path, "index.html", "assets/app.js".
using StaticFiles = std::map<std::string, StaticFile, std::less<>>;

// The media type of a name's ending.
std::string_view media_type(std::string_view name);

// The file, compressed where the request takes that, with a long life in caches for names that hold a hash (assets/).
// 304 where the request has its ETag. Throws 404.
ServedResponse static_response(const StaticFiles& files, std::string_view path, const ServedRequest& request);

// The page where no app was built in: what this address is and how to call it.
ServedResponse plain_page(const ServedRequest& request, std::string_view version);

// GET "/" and every other path of `files`, which must outlive the router; without an index.html the plain page.
void add_static_routes(Router& router, const StaticFiles& files, const std::string& version);

}  // namespace limpid

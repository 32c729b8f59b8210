// The files of the app in the browser, as the program carries them. Immutable.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace limpid {

struct StaticFile {
  std::string_view bytes, type;  // lives as long as the program
};

// By path, "index.html", "assets/app.js".
using StaticFiles = std::map<std::string, StaticFile, std::less<>>;

// The media type of a name's ending.
std::string_view media_type(std::string_view name);

// The file at `path` ("" or "index.html": the page), with an ETag and, for names that hold a hash (assets/), a long
// life in caches. 304 where the request has that ETag. A path without a dot that is no file is the page: it belongs to
// the app. Throws 404.
ServedResponse static_response(const StaticFiles& files, std::string_view path, const ServedRequest& request);

// The page where no app was built in: what this address is and how to call it.
ServedResponse plain_page(const ServedRequest& request, std::string_view version);

// Content-Security-Policy and others that keep a page from doing what it was not made for.
void add_page_fields(HttpFields& fields);

}  // namespace limpid

#include "server/router.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <stdexcept>

#include "server/api_error.h"

namespace limpid {

namespace {

using Parameters = std::map<std::string, std::string>;

std::string_view next_segment(std::string_view& path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

std::optional<Parameters> match(std::string_view pattern, std::string_view path) {
  Parameters parameters;
  while (!pattern.empty() && !path.empty()) {
    std::string_view rest = path;
    const std::string_view expected = next_segment(pattern), found = next_segment(path);
    if (!expected.starts_with('{')) {
      if (expected != found) return std::nullopt;
      continue;
    }
    std::string_view name = expected.substr(1, expected.size() - 2);
    if (name.ends_with("...")) {
      rest.remove_prefix(1);
      parameters.emplace(name.substr(0, name.size() - 3), rest);
      return parameters;
    }
    if (found.empty()) return std::nullopt;
    parameters.emplace(name, found);
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return parameters;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

void Call::defer(std::function<void()> work) const {
  const bool accepted = exchange->defer([work = std::move(work), fail = fail] {
    try {
      work();
    } catch (...) {
      fail(std::current_exception());
    }
  });
  if (!accepted) throw overloaded("too many requests that take long wait", 2);
}

std::string Call::query(std::string_view name) const {
  std::string_view rest = request().query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return equals == std::string_view::npos ? std::string() : decoded(pair.substr(equals + 1));
  }
  return {};
}

void Router::add(Route route) { add(std::move(route), {}); }

void Router::add(Route route, const std::vector<std::string>& also) {
  if (!route.open && !route.session && route.scope.empty())
    throw std::logic_error("route " + route.method + " " + route.pattern +
                           ": neither open nor for a scope or a session");
  routes_.push_back(route);
  alias_.push_back(false);
  for (const std::string& pattern : also) {
    route.pattern = pattern;
    routes_.push_back(route);
    alias_.push_back(true);
  }
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  Match result;
  for (const Route& route : routes_) {
    std::optional<Parameters> parameters = match(route.pattern, path);
    if (!parameters) continue;
    if (route.method == wanted) {
      result.route = &route;
      result.parameters = std::move(*parameters);
      return result;
    }
    if (!result.allowed.empty()) result.allowed += ", ";
    result.allowed += route.method;
  }
  return result;
}

}  // namespace limpid

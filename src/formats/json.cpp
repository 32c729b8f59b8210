#include "formats/json.h"

#include <nlohmann/json.hpp>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"

namespace limpid {

namespace {

using nlohmann::json;

using nlohmann::ordered_json;

// The keys of an object of ordered_json, which is a vector: one search goes through all of it, so that a hostile object
// would take quadratic time. From kIndexed keys on they are found in a table beside it.
class KeyIndex {
 public:
  // The place of the key's value, and whether it is new.
  std::pair<ordered_json::object_t::iterator, bool> put(ordered_json::object_t& object, std::string&& key) {
    if (object.size() < kIndexed) return object.emplace(key, ordered_json());
    if (places_.empty())
      for (const auto& [old, value] : object) places_.emplace(old, places_.size());
    const auto [place, added] = places_.try_emplace(key, object.size());
    if (added) object.emplace_back(std::move(key), ordered_json());
    return {object.begin() + static_cast<std::ptrdiff_t>(place->second), added};
  }

 private:
  static constexpr std::size_t kIndexed = 32;
  std::unordered_map<std::string, std::size_t> places_;
};

// Builds the value as nlohmann's parser reports its parts. The parser keeps no call stack, so depth is ours to bound:
// what comes later (dump, comparison, our own walks) does recurse.
template <typename Json>
class Builder final : public nlohmann::json_sax<Json> {
 public:
  using number_integer_t = typename Json::number_integer_t;
  using number_unsigned_t = typename Json::number_unsigned_t;
  using number_float_t = typename Json::number_float_t;
  using string_t = typename Json::string_t;
  using binary_t = typename Json::binary_t;

  Builder(const std::string& name, const JsonLimits& limits) : name_(name), limits_(limits) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    auto& object = stack_.back().value->template get_ref<typename Json::object_t&>();
    const auto [place, added] = [&] {
      if constexpr (std::is_same_v<Json, ordered_json>)
        return stack_.back().keys.put(object, std::move(value));
      else
        return object.try_emplace(std::move(value));
    }();
    if (!added && limits_.unique_keys)
      fail(ErrorKind::input, "{}: JSON key '{}': expected once in its object, found twice", name_, place->first);
    slot_ = &place->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string what = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: what"
    if (const auto colon = what.find(": "); colon != std::string::npos) what.erase(0, colon + 2);
    fail(ErrorKind::input, "{}: byte {}: expected JSON, found a {}", name_, position, what);
  }

  Json take() { return std::move(root_); }

 private:
  template <typename T>
  bool add(T&& value) {
    place(std::forward<T>(value));
    return true;
  }

  template <typename T>
  Json* place(T&& value) {
    if (++values_ > limits_.values)
      fail(ErrorKind::input, "{}: JSON values: expected at most {}, found more", name_, limits_.values);
    if (stack_.empty()) {
      root_ = std::forward<T>(value);
      return &root_;
    }
    if (stack_.back().value->is_array()) {
      auto& array = stack_.back().value->template get_ref<typename Json::array_t&>();
      array.emplace_back(std::forward<T>(value));
      return &array.back();
    }
    *slot_ = std::forward<T>(value);
    return slot_;
  }

  bool open(Json container) {
    if (stack_.size() >= static_cast<std::size_t>(limits_.depth))
      fail(ErrorKind::input, "{}: JSON nesting: expected at most {} levels, found more", name_, limits_.depth);
    stack_.push_back({place(std::move(container)), {}});
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  const std::string& name_;
  const JsonLimits& limits_;
  struct NoIndex {};
  struct Open {
    Json* value;
    std::conditional_t<std::is_same_v<Json, ordered_json>, KeyIndex, NoIndex> keys;
  };
  std::size_t values_ = 0;
  Json root_;
  Json* slot_ = nullptr;     // where the value of the last key goes
  std::vector<Open> stack_;  // open containers: no parent grows while its child is open, so the pointers stay valid
};

template <typename Json>
Json parse(std::string_view text, const std::string& name, const JsonLimits& limits) {
  if (text.size() > limits.bytes)
    fail(ErrorKind::input, "{}: size of the JSON text: expected at most {} bytes, found {}", name, limits.bytes,
         text.size());
  Builder<Json> builder(name, limits);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace

json parse_json(std::string_view text, const std::string& name, const JsonLimits& limits) {
  return parse<json>(text, name, limits);
}

ordered_json parse_ordered_json(std::string_view text, const std::string& name, const JsonLimits& limits) {
  return parse<ordered_json>(text, name, limits);
}

json read_json(const std::string& path, const JsonLimits& limits) {
  const MappedFile file(path);
  return parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path, limits);
}

std::string short_json(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() > 80 ? text.substr(0, 80) + "..." : text;
}

}  // namespace limpid

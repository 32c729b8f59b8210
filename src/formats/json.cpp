#include "formats/json.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"

namespace limpid {

namespace {

using nlohmann::json;

// Builds the value as nlohmann's parser reports its parts. The parser keeps no call stack, so depth is ours to bound:
// what comes later (dump, comparison, our own walks) does recurse.
class Builder final : public nlohmann::json_sax<json> {
 public:
  Builder(const std::string& name, const JsonLimits& limits) : name_(name), limits_(limits) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    auto [place, added] = stack_.back()->get_ref<json::object_t&>().try_emplace(std::move(value));
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

  json take() { return std::move(root_); }

 private:
  template <typename T>
  bool add(T&& value) {
    place(std::forward<T>(value));
    return true;
  }

  template <typename T>
  json* place(T&& value) {
    if (stack_.empty()) {
      root_ = std::forward<T>(value);
      return &root_;
    }
    if (stack_.back()->is_array()) {
      auto& array = stack_.back()->get_ref<json::array_t&>();
      array.emplace_back(std::forward<T>(value));
      return &array.back();
    }
    *slot_ = std::forward<T>(value);
    return slot_;
  }

  bool open(json container) {
    if (stack_.size() >= static_cast<std::size_t>(limits_.depth))
      fail(ErrorKind::input, "{}: JSON nesting: expected at most {} levels, found more", name_, limits_.depth);
    stack_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  const std::string& name_;
  const JsonLimits& limits_;
  json root_;
  json* slot_ = nullptr;      // where the value of the last key goes
  std::vector<json*> stack_;  // open containers: no parent grows while its child is open, so these stay valid
};

}  // namespace

json parse_json(std::string_view text, const std::string& name, const JsonLimits& limits) {
  if (text.size() > limits.bytes)
    fail(ErrorKind::input, "{}: size of the JSON text: expected at most {} bytes, found {}", name, limits.bytes,
         text.size());
  Builder builder(name, limits);
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

json read_json(const std::string& path, const JsonLimits& limits) {
  const MappedFile file(path);
  return parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path, limits);
}

}  // namespace limpid

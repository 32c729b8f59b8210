#include "text/jinja.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_parser.h"

namespace limpid::jinja {
namespace {

using Json = nlohmann::ordered_json;

Value to_value(Heap& heap, const Json& json) {
  const Heap::Deeper deeper(heap);
  heap.step();
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value(json.get<bool>());
    case Json::value_t::number_integer:
      return Value(json.get<std::int64_t>());
    case Json::value_t::number_unsigned: {
      const std::uint64_t number = json.get<std::uint64_t>();
      return number >> 63 ? Value(static_cast<double>(number)) : Value(static_cast<std::int64_t>(number));
    }
    case Json::value_t::number_float:
      return Value(json.get<double>());
    case Json::value_t::string:
      return heap.text(json.get_ref<const std::string&>());
    case Json::value_t::array: {
      List* list = heap.list();
      for (const Json& item : json) heap.push(*list, to_value(heap, item));
      return list;
    }
    case Json::value_t::object: {
      Dict* dict = heap.dict();
      for (const auto& [key, item] : json.items()) dict->set(heap, heap.text(key), to_value(heap, item));
      return dict;
    }
    default:
      return None{};
  }
}

}  // namespace

struct Template::Tree {
  Block block;
};

Template::Template(std::string_view source, std::string name) : name_(std::move(name)) {
  try {
    tree_ = std::make_unique<const Tree>(Tree{parse(source)});
  } catch (const Error& error) {
    fail(error.kind(), "{}, {}", name_, error.what());
  }
}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

std::string Template::render(const Json& variables, std::time_t now, const Limits& limits) const {
  Evaluator evaluator(limits, now);
  try {
    for (const auto& [name, value] : variables.items()) evaluator.assign(name, to_value(evaluator.heap, value));
    return evaluator.run(tree_->block);
  } catch (const Error& error) {
    fail(error.kind(), "{}, line {}: {}", name_, evaluator.line, error.what());
  }
}

}  // namespace limpid::jinja

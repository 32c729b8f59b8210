#include "chat/grammar_json.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "chat/grammar_numbers.h"
#include "chat/grammar_strings.h"

namespace limpid {

JsonRules::JsonRules(NetBuilder& net, JsonSpace space) : net_(net), space_kind_(space) {}

NetRule JsonRules::space() {
  if (space_ >= 0) return space_;
  space_ = net_.declare("white space");
  const NetState start = net_.state(), end = net_.state();
  net_.define(space_, start);
  net_.final(start);
  net_.final(end);
  net_.byte(start, ' ', ' ', end);
  if (space_kind_ == JsonSpace::one_line) return space_;
  NetState line = net_.text(start, "\n");
  net_.final(line);
  for (int i = 0; i < kMostIndent; ++i) {
    const NetState next = net_.state();
    net_.byte(line, ' ', ' ', next);
    net_.byte(line, '\t', '\t', next);
    net_.final(next);
    line = next;
  }
  return space_;
}

NetRule JsonRules::string(std::int64_t least, std::int64_t most) {
  const auto [at, added] = strings_.try_emplace({least, most}, -1);
  if (added) at->second = free_string_rule(net_, least, most);
  return at->second;
}

NetRule JsonRules::number() {
  if (number_ >= 0) return number_;
  number_ = net_.declare("a number");
  const NetState start = net_.state();
  net_.define(number_, start);
  net_.final(pattern_text(net_, start, numbers_of(nlohmann::ordered_json::object(), false, "#")));
  return number_;
}

NetRule JsonRules::boolean() {
  if (boolean_ >= 0) return boolean_;
  boolean_ = net_.declare("true or false");
  const NetState start = net_.state();
  net_.define(boolean_, start);
  net_.final(net_.text(start, "true"));
  net_.final(net_.text(start, "false"));
  return boolean_;
}

NetRule JsonRules::value() {
  if (value_ >= 0) return value_;
  value_ = net_.declare("a value");
  const NetState start = net_.state(), end = net_.state();
  net_.define(value_, start);
  net_.final(end);
  net_.call(start, object(), end);
  net_.call(start, array(), end);
  net_.call(start, string(), end);
  net_.call(start, number(), end);
  net_.call(start, boolean(), end);
  net_.skip(net_.text(start, "null"), end);
  return value_;
}

NetRule JsonRules::object() {
  if (object_ >= 0) return object_;
  object_ = net_.declare("an object", true);
  const NetState open = net_.state(), end = net_.state(), first = net_.state(), key = net_.state();
  net_.define(object_, open);
  net_.final(end);
  net_.call(net_.text(open, "{"), space(), first);
  net_.skip(net_.text(first, "}"), end);
  net_.skip(first, key);
  const NetState written = key_and_value(net_.call(key, string()), value());
  net_.call(net_.text(written, ","), space(), key);
  net_.skip(net_.text(net_.call(written, space()), "}"), end);
  return object_;
}

NetRule JsonRules::array() {
  if (array_ >= 0) return array_;
  array_ = net_.declare("an array", true);
  const NetState open = net_.state(), end = net_.state(), first = net_.state(), item = net_.state();
  net_.define(array_, open);
  net_.final(end);
  net_.call(net_.text(open, "["), space(), first);
  net_.skip(net_.text(first, "]"), end);
  net_.skip(first, item);
  const NetState written = net_.call(item, value());
  net_.call(net_.text(written, ","), space(), item);
  net_.skip(net_.text(net_.call(written, space()), "]"), end);
  return array_;
}

// Behind a key: the colon and the value.
NetState JsonRules::key_and_value(NetState end_of_key, NetRule value_rule) {
  return net_.call(net_.call(net_.text(end_of_key, ":"), space()), value_rule);
}

NetRule JsonRules::object_of(std::span<const Property> properties, std::optional<NetRule> others,
                             const std::string& path) {
  const NetRule rule = net_.declare(path, true);
  const NetState open = net_.state(), end = net_.state();
  net_.define(rule, open);
  net_.final(end);
  // Two ways through the list: nothing written yet, something written.
  NetState empty = net_.call(net_.text(open, "{"), space()), written = net_.state();
  std::vector<std::string> names;
  for (const Property& property : properties) {
    const NetState key = net_.state(), next_empty = net_.state(), next_written = net_.state();
    net_.skip(empty, key);
    net_.call(net_.text(written, ","), space(), key);
    const NetState end_of_key = literal_strings(net_, key, std::span(&property.name, 1));
    net_.skip(key_and_value(end_of_key, property.value), next_written);
    if (!property.required) {
      net_.skip(empty, next_empty);
      net_.skip(written, next_written);
    }
    empty = next_empty;
    written = next_written;
    names.push_back(property.name);
  }
  if (others) {
    const NetState key = net_.state();
    net_.skip(empty, key);
    net_.call(net_.text(written, ","), space(), key);
    const NetState end_of_key =
        names.empty() ? net_.call(key, string()) : pattern_string(net_, key, every_string_but(names, path), path);
    net_.skip(key_and_value(end_of_key, *others), written);
  }
  net_.skip(net_.text(empty, "}"), end);
  net_.skip(net_.text(net_.call(written, space()), "}"), end);
  return rule;
}

NetRule JsonRules::array_of(std::span<const NetRule> prefix, std::optional<NetRule> items, std::int64_t least,
                            std::int64_t most, const std::string& path) {
  const NetRule rule = net_.declare(path, true);
  const NetState open = net_.state(), end = net_.state(), close = net_.state();
  net_.define(rule, open);
  net_.final(end);
  if (most >= 0 && most < least) return rule;  // no such array
  net_.skip(net_.text(close, "]"), end);
  NetState at = net_.call(net_.text(open, "["), space());
  const auto fixed = static_cast<std::int64_t>(prefix.size());
  std::int64_t count = 0;
  // One by one as long as the place in the list matters: the prefix, and the first item, which has no comma.
  const auto single = [&](NetRule item) {
    if (count >= least) (count == 0) ? net_.skip(at, close) : net_.call(at, space(), close);
    if (count > 0) at = net_.call(net_.text(at, ","), space());
    at = net_.call(at, item);
    ++count;
  };
  while (count < fixed && (most < 0 || count < most)) single(prefix[static_cast<std::size_t>(count)]);
  if (items && count == 0 && most != 0) single(*items);
  if (items && (most < 0 || count < most)) {
    const NetState more = net_.state(), repeat = net_.state(), done = net_.state();
    net_.skip(at, repeat);
    net_.ask(repeat, net_.counter(std::max<std::int64_t>(least - count, 0), most < 0 ? -1 : most - count));
    NetEdge again;
    again.need = CounterNeed::below_most;
    again.counts = true;
    again.target = more;
    net_.edge(repeat, again);
    net_.skip(net_.call(net_.call(net_.text(more, ","), space()), *items), repeat);
    NetEdge enough;
    enough.need = CounterNeed::at_least;
    enough.clears = true;
    enough.target = done;
    net_.edge(repeat, enough);
    net_.call(done, space(), close);
  } else if (count >= least) {
    (count == 0) ? net_.skip(at, close) : net_.call(at, space(), close);
  }
  return rule;
}

}  // namespace limpid

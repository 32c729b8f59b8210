// JsonRules: JSON as rules of a net, shared by schemas and tool calls.
//
// White space: between the parts of objects and arrays nothing, one space, or the end of a line with up to kMostIndent
// spaces or tabs. None before ':' and ',' and around the whole, so that none can go on without end.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chat/grammar_net.h"

namespace limpid {

inline constexpr int kMostIndent = 32;

enum class JsonSpace { lines, one_line };  // one_line: no end of a line

class JsonRules {
 public:
  explicit JsonRules(NetBuilder& net, JsonSpace space = JsonSpace::lines);

  NetRule space();
  NetRule value();   // any
  NetRule object();  // any
  NetRule array();   // any
  NetRule string(std::int64_t least = 0, std::int64_t most = -1);
  NetRule number();
  NetRule boolean();

  struct Property {
    std::string name;
    NetRule value = -1;
    bool required = true;
  };
  // Properties in this order; those that are not required may be left out. Then, where `others` is given, any number
  // of other names with its values.
  NetRule object_of(std::span<const Property> properties, std::optional<NetRule> others, const std::string& path);
  // The first items by `prefix`, the rest by `items` (none: no more); between least and most (< 0: no end) in all.
  NetRule array_of(std::span<const NetRule> prefix, std::optional<NetRule> items, std::int64_t least, std::int64_t most,
                   const std::string& path);

  NetBuilder& net() { return net_; }

 private:
  NetState key_and_value(NetState end_of_key, NetRule value);

  NetBuilder& net_;
  const JsonSpace space_kind_;
  NetRule space_ = -1, value_ = -1, object_ = -1, array_ = -1, number_ = -1, boolean_ = -1;
  std::map<std::pair<std::int64_t, std::int64_t>, NetRule> strings_;
};

}  // namespace limpid

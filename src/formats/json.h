// JSON from files that others wrote, guarded: limits on size and depth, no exception but Error, which names the file
// and the byte. Include <nlohmann/json.hpp> in the .cpp that looks into the result; this header needs only the forward
// declaration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace limpid {

struct JsonLimits {
  std::size_t bytes = std::size_t{256} << 20;  // of the text; the largest tokenizer.json in use has 33 MB
  int depth = 64;                              // objects and arrays inside each other
  std::size_t values = SIZE_MAX;               // in all: each takes many times its text's memory
  bool unique_keys = false;  // refuse an object that has a key twice; else the last one counts, as elsewhere
};

// The whole text is one JSON value (RFC 8259; UTF-8, checked). `name` stands for the text in errors. Throws
// Error(input) when it is not, or is over a limit.
nlohmann::json parse_json(std::string_view text, const std::string& name, const JsonLimits& limits = {});

// The same with the keys of every object in the order of the text. For what is written out again as it came: requests,
// whose tools a chat template shows to the model. A key that comes twice keeps its first place and its last value, as in
// Python; time and memory stay linear in the text whatever the number of keys.
nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& name,
                                          const JsonLimits& limits = {});

// JSON as text of one line, fit for a message: ASCII, cut after 80 bytes.
std::string short_json(const nlohmann::json& value);

// parse_json of a file. Throws Error(not_found | system) too.
nlohmann::json read_json(const std::string& path, const JsonLimits& limits = {});

}  // namespace limpid

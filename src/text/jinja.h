// A Jinja template, as model files carry them: parsed once, rendered on any thread. The language is the subset that
// chat templates use, with Hugging Face's settings (trim_blocks, lstrip_blocks, loop controls, {% generation %}, their
// tojson), and the text is theirs to the byte.
//
// A template comes with a model from a stranger: it reaches nothing but the values given, and runs within Limits.
//
// Where Hugging Face refuses, this may render: lists and dicts can be changed in place, generators become JSON. Known
// differences: integers have 64 bits; case follows Unicode's simple mappings (the upper case of a sharp s is itself); a
// range is a list; recursive loops, blocks and includes are refused; a variable given to the template that it assigns
// later on the same level can still be read in a loop before that.
#pragma once

#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "text/jinja_value.h"

namespace limpid::jinja {

class Template {
 public:
  // Throws Error(input | unsupported) "chat template, line N: ..."; `name` stands for "chat template".
  explicit Template(std::string_view source, std::string name = "chat template");
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // variables: an object, whose members are the template's variables. now: for strftime_now, in the machine's time
  // zone. Throws Error as above: input for what the template or the values did (raise_exception too), resources for a
  // limit.
  std::string render(const nlohmann::ordered_json& variables, std::time_t now, const Limits& limits = {}) const;

 private:
  struct Tree;
  std::unique_ptr<const Tree> tree_;
  std::string name_;
};

}  // namespace limpid::jinja

// What `limpid chat` begins with where no model was named: the one that was chosen before, or a menu on a terminal.
#pragma once

#include <optional>
#include <string>

#include "app/command.h"

namespace limpid {

// The model to talk to. With `menu`, or on a terminal when none was chosen before: a menu of what this machine has and what
// it could fetch, where one key chooses; the choice is fetched if need be and remembered. Nothing: the person left.
// Without a terminal: what was chosen, else the model that is built in, else the only one in the store. Throws Error(input)
// when there is none, or when a menu is asked for without a terminal.
std::optional<std::string> choose_chat_model(bool menu, const Context& context);

}  // namespace limpid

// The list of commands, in the order of `limpid --help`: a new command adds its declaration here and its call in
// commands.cpp.
#pragma once

#include "app/command.h"

namespace limpid {

void add_commands(Program& program);

}  // namespace limpid

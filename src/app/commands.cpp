#include "app/commands.h"

namespace limpid {

void add_commands([[maybe_unused]] Program& program) {}

}  // namespace limpid

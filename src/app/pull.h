// Fetching a model into the store, with what a person at a terminal sees of it.
#pragma once

#include <string>

#include "app/command.h"

namespace limpid {

// As `limpid pull REFERENCE`: says size, disk and memory, asks unless `yes`, fetches with a progress bar. False: the answer
// was no. Throws Error; cancelled: Ctrl-C, and what arrived is kept.
bool pull_model(const std::string& reference, bool yes, const Context& context, int connections = 4);

}  // namespace limpid

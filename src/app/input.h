// Standard input for commands.
#pragma once

#include <string>

namespace limpid {

// Everything, bytes as they come. Throws Error(resources) over `most` bytes, Error(system) when reading fails.
std::string read_all_input(std::size_t most = std::size_t{1} << 30);

// The file's bytes; "-" is standard input. Throws Error(not_found | system).
std::string read_text_file(const std::string& path);

}  // namespace limpid

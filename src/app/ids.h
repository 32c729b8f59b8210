// Lists of token ids as commands read and write them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

// "[1, 2, 3]", "1,2,3" or numbers between spaces and line ends. `where` stands for the text in errors. Throws
// Error(input) naming what is no id and its byte.
std::vector<std::int32_t> parse_ids(std::string_view text, const std::string& where);

std::string format_ids(std::span<const std::int32_t> ids);  // "[1,2,3]"

}  // namespace limpid

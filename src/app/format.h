// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace limpid {

std::string human_bytes(std::uint64_t bytes);  // "1.12 GB": decimal, as disks and hubs count
std::string human_time(double seconds);        // "43 s", "2:05", "1:02:05"

}  // namespace limpid

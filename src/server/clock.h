// The time of day as the service knows it: Unix seconds. Handed down, so that tests can set it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace limpid {

using UnixSeconds = std::int64_t;
using WallClock = std::function<UnixSeconds()>;  // from any thread

WallClock system_wall_clock();

UnixSeconds start_of_day(UnixSeconds time);    // 00:00 UTC
UnixSeconds start_of_month(UnixSeconds time);  // of its first day, 00:00 UTC
UnixSeconds start_of_next_month(UnixSeconds time);
std::string date_of(UnixSeconds time);          // "2025-01-20", UTC
UnixSeconds parse_date(std::string_view date);  // of 00:00 UTC. Throws Error(input) where it is no YYYY-MM-DD

}  // namespace limpid

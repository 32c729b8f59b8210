#include "server/clock.h"

#include <chrono>
#include <cstdio>

#include "base/error.h"

namespace limpid {

namespace {

using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year_month_day;

year_month_day day_of(UnixSeconds time) {
  return std::chrono::floor<std::chrono::days>(sys_seconds(std::chrono::seconds(time)));
}
UnixSeconds unix_seconds(sys_days day) { return sys_seconds(day).time_since_epoch().count(); }

}  // namespace

WallClock system_wall_clock() {
  return [] {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
}

UnixSeconds start_of_day(UnixSeconds time) { return unix_seconds(day_of(time)); }

UnixSeconds start_of_month(UnixSeconds time) {
  const year_month_day day = day_of(time);
  return unix_seconds(day.year() / day.month() / 1);
}

UnixSeconds start_of_next_month(UnixSeconds time) {
  const year_month_day day = day_of(time);
  return unix_seconds(year_month_day(day.year() / day.month() / 1) + std::chrono::months(1));
}

std::string date_of(UnixSeconds time) {
  const year_month_day day = day_of(time);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                     static_cast<unsigned>(day.day()));
}

UnixSeconds parse_date(std::string_view date) {
  int year = 0;
  unsigned month = 0, day = 0;
  const std::string text(date);
  if (text.size() == 10 && std::sscanf(text.c_str(), "%4d-%2u-%2u", &year, &month, &day) == 3) {
    const year_month_day value = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
    if (value.ok() && date_of(unix_seconds(value)) == text) return unix_seconds(value);
  }
  fail(ErrorKind::input, "a date: expected YYYY-MM-DD, found '{}'", text.substr(0, 20));
}

}  // namespace limpid

// A line chart as SVG for a page of HTML: axes with ticks and units, one or several series, no script. Colours are the
// classes s0, s1, ... of the page's style, which also has .axis, .grid and .chart. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace limpid {

struct ChartSeries {
  std::string name;
  std::vector<double> x, y;  // of equal length, x ascending; a y that is no number is left out
};

struct Chart {
  std::string title, x_unit, y_unit;
  std::vector<ChartSeries> series;
  std::optional<double> low = std::nullopt,
                        high = std::nullopt;    // ends of the y axis; else those of the values, 0 among them
  std::optional<double> x_high = std::nullopt;  // end of the x axis; else that of the values
  bool log_y = false;                           // values that are not above 0 are left out
  bool percent = false;                         // values from 0 to 1, shown as 0 to 100
};

// A <figure> with title, chart and, for more than one series, a legend. "" where there is not a single point.
std::string svg_chart(const Chart& chart);

// At most `most` points: means of equal stretches. Values that are no numbers are left out of the means.
ChartSeries thin_out(const ChartSeries& series, std::size_t most);

// Ticks between low and high in steps of 1, 2 or 5 times a power of ten, at most about `most`.
std::vector<double> axis_ticks(double low, double high, int most);

}  // namespace limpid

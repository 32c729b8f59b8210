#include "train/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "train/html.h"

namespace limpid {

namespace {

constexpr double kWidth = 520, kHeight = 240, kLeft = 52, kRight = 14, kTop = 10, kBottom = 40;
constexpr std::size_t kPoints = 320;  // more than these would not be seen

struct Range {
  double low = 0, high = 1;
};

double transformed(const Chart& chart, double y) { return chart.log_y ? (y > 0 ? std::log10(y) : NAN) : y; }

Range x_range(const Chart& chart, const std::vector<ChartSeries>& series) {
  Range range{INFINITY, -INFINITY};
  for (const ChartSeries& s : series)
    for (double x : s.x) range = {std::min(range.low, x), std::max(range.high, x)};
  if (chart.x_high) range.high = std::max(range.high, *chart.x_high);
  if (range.low > 0 && range.low < 0.1 * range.high) range.low = 0;
  if (!(range.high > range.low)) range.high = range.low + 1;
  return range;
}

Range y_range(const Chart& chart, const std::vector<ChartSeries>& series) {
  Range range{INFINITY, -INFINITY};
  for (const ChartSeries& s : series)
    for (double y : s.y)
      if (const double t = transformed(chart, y); std::isfinite(t))
        range = {std::min(range.low, t), std::max(range.high, t)};
  if (!chart.log_y) {
    range.low = chart.low.value_or(std::min(range.low, 0.0));
    range.high = chart.high.value_or(std::max(range.high, range.low) * 1.05);
  }
  if (!(range.high > range.low)) range.high = range.low + 1;
  return range;
}

std::string number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:g} M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:g} k", value / 1e3);
  return fmt::format("{:g}", value);
}

// Ticks of a logarithmic axis: as many of each decade as there is room for.
std::vector<double> log_ticks(Range range) {
  static const std::vector<std::vector<double>> kParts = {{1, 1.5, 2, 3, 4, 5, 7}, {1, 2, 5}, {1}};
  std::vector<double> ticks;
  for (const std::vector<double>& parts : kParts) {
    ticks.clear();
    for (int e = static_cast<int>(std::floor(range.low)); e <= static_cast<int>(std::ceil(range.high)); ++e)
      for (const double part : parts)
        if (const double t = std::log10(part) + e; t >= range.low - 1e-9 && t <= range.high + 1e-9) ticks.push_back(t);
    if (ticks.size() <= 8) break;
  }
  return ticks;
}

class Drawing {
 public:
  Drawing(const Chart& chart, const std::vector<ChartSeries>& series)
      : chart_(chart), x_(x_range(chart, series)), y_(y_range(chart, series)) {}

  std::string axes() const {
    std::string out;
    for (double tick : chart_.log_y ? log_ticks(y_) : axis_ticks(y_.low, y_.high, 5)) {
      const double value = chart_.log_y ? std::pow(10.0, tick) : tick;
      const double y = y_at(tick);
      out += fmt::format(
          "<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/><text x=\"{:.1f}\" y=\"{:.1f}\" "
          "text-anchor=\"end\">{}</text>",
          kLeft, y, kWidth - kRight, kLeft - 6, y + 4, number(chart_.percent ? 100 * value : value));
    }
    const double base = kHeight - kBottom;
    for (double tick : axis_ticks(x_.low, x_.high, 6))
      out += fmt::format(
          "<path class=\"axis\" d=\"M{0:.1f} {1:.1f}v4\"/><text x=\"{0:.1f}\" y=\"{2:.1f}\" "
          "text-anchor=\"middle\">{3}</text>",
          x_at(tick), base, base + 16, number(tick));
    out += fmt::format("<path class=\"axis\" d=\"M{:.1f} {:.1f}V{:.1f}H{:.1f}\"/>", kLeft, kTop, base, kWidth - kRight);
    out += fmt::format("<text class=\"unit\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kWidth - kRight,
                       kHeight - 8, html_text(chart_.x_unit));
    const double middle = (kTop + base) / 2;
    out += fmt::format(
        "<text class=\"unit\" x=\"12\" y=\"{0:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 12 "
        "{0:.1f})\">{1}</text>",
        middle, html_text(chart_.y_unit));
    return out;
  }

  std::string line(const ChartSeries& series, std::size_t index) const {
    std::string path;
    std::size_t points = 0;
    double last_x = 0, last_y = 0;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      const double y = transformed(chart_, series.y[i]);
      if (!std::isfinite(y)) continue;
      last_x = x_at(series.x[i]);
      last_y = y_at(std::clamp(y, y_.low, y_.high));
      path += fmt::format("{}{:.1f} {:.1f}", points++ == 0 ? "M" : "L", last_x, last_y);
    }
    if (points == 0) return "";
    const std::string name = html_text(series.name);
    std::string out = fmt::format("<path class=\"line s{}\" d=\"{}\"><title>{}</title></path>", index, path, name);
    if (points == 1)
      out += fmt::format("<circle class=\"dot s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"><title>{}</title></circle>",
                         index, last_x, last_y, name);
    return out;
  }

 private:
  double x_at(double x) const { return kLeft + (x - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight); }
  double y_at(double y) const {
    return kHeight - kBottom - (y - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }

  const Chart& chart_;
  const Range x_, y_;
};

}  // namespace

std::vector<double> axis_ticks(double low, double high, int most) {
  if (!(high > low) || most < 1) return {low};
  const double raw = (high - low) / most, power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double m : {5.0, 2.0, 1.0})
    if (m * power >= raw * (1 - 1e-9)) step = m * power;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step && ticks.size() < 64; ++i)
    ticks.push_back(i == 0 ? 0 : i * step);
  return ticks;
}

ChartSeries thin_out(const ChartSeries& series, std::size_t most) {
  const std::size_t n = series.x.size();
  if (n <= most || most == 0) return series;
  ChartSeries out{series.name, {}, {}};
  for (std::size_t b = 0; b < most; ++b) {
    const std::size_t from = n * b / most, to = n * (b + 1) / most;
    double sum = 0;
    int count = 0;
    for (std::size_t i = from; i < to; ++i)
      if (std::isfinite(series.y[i])) sum += series.y[i], ++count;
    out.x.push_back((series.x[from] + series.x[to - 1]) / 2);
    out.y.push_back(count > 0 ? sum / count : NAN);
  }
  return out;
}

std::string svg_chart(const Chart& chart) {
  std::vector<ChartSeries> series;
  bool any = false;
  for (const ChartSeries& s : chart.series) {
    series.push_back(thin_out(s, kPoints));
    for (double y : series.back().y) any = any || std::isfinite(transformed(chart, y));
  }
  if (!any) return "";
  const Drawing drawing(chart, series);
  std::string out = fmt::format(
      "<figure class=\"chart\"><figcaption>{}</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
      html_text(chart.title), kWidth, kHeight, html_text(chart.title));
  out += drawing.axes();
  for (std::size_t i = 0; i < series.size(); ++i) out += drawing.line(series[i], i);
  out += "</svg>";
  if (series.size() > 1) {
    out += "<p class=\"legend\">";
    for (std::size_t i = 0; i < series.size(); ++i)
      out += fmt::format("<span><svg viewBox=\"0 0 18 8\"><path class=\"line s{}\" d=\"M0 4H18\"/></svg>{}</span> ", i,
                         html_text(series[i].name));
    out += "</p>";
  }
  return out + "</figure>\n";
}

}  // namespace limpid

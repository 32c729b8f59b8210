#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"

namespace limpid {

Curve Curve::parse(const nlohmann::json& json, const std::string& name, double most) {
  if (json.is_number()) {
    const double value = json.get<double>();
    if (!(value >= 0 && value <= most))
      fail(ErrorKind::input, "{}: expected a number from 0 to {}, found {}", name, most, json.dump());
    return value;
  }
  Fields fields(json, name);
  Curve curve(fields.number("from", 0, 0, most));
  const nlohmann::json* pieces = fields.any("pieces");
  fields.done();
  if (pieces == nullptr || !pieces->is_array() || pieces->empty())
    fail(ErrorKind::input, "{}: expected a list of pieces, found {}", fields.where("pieces"),
         pieces ? pieces->dump() : "none");
  double before = 0;
  for (std::size_t i = 0; i < pieces->size(); ++i) {
    Fields piece((*pieces)[i], fmt::format("{}[{}]", fields.where("pieces"), i));
    if (!piece.has("to") || !piece.has("until"))
      fail(ErrorKind::input, "{}[{}]: expected \"until\" and \"to\"", fields.where("pieces"), i);
    Piece p;
    p.until = piece.number("until", 1, before, 1);
    p.to = piece.number("to", 1, 0, most);
    p.shape = static_cast<Shape>(piece.choice("shape", {"constant", "linear", "cosine"}, 0));
    piece.done();
    before = p.until;
    curve.pieces_.push_back(p);
  }
  return curve;
}

double Curve::at(double done) const {
  double begin = 0, from = from_;
  for (const Piece& piece : pieces_) {
    if (done < piece.until) {
      if (piece.shape == Shape::constant) return piece.to;
      const double part = (done - begin) / (piece.until - begin);
      const double share = piece.shape == Shape::linear ? part : 0.5 - 0.5 * std::cos(std::numbers::pi * part);
      return from + (piece.to - from) * share;
    }
    begin = piece.until;
    from = piece.to;
  }
  return from;
}

Schedule Schedule::parse(const nlohmann::json& json, const std::string& name) {
  if (json.is_string()) return parse({{"as", json}}, name);
  Fields fields(json, name);
  Schedule schedule;
  if (fields.has("as") && fields.choice("as", {"deepseek-v3"}, 0) == 0) schedule = deepseek_v3();
  schedule.learning_rate = fields.number("learning_rate", schedule.learning_rate, 0, 10);
  schedule.warmup_steps = fields.integer("warmup_steps", schedule.warmup_steps, 0, std::int64_t{1} << 40);
  const auto curve = [&](const char* field, Curve& to, double most) {
    if (const nlohmann::json* value = fields.any(field)) to = Curve::parse(*value, fields.where(field), most);
  };
  curve("rate", schedule.rate, 1);
  curve("batch", schedule.batch, 1);
  curve("mtp_weight", schedule.mtp_weight, 10);
  curve("balance_speed", schedule.balance_speed, 1);
  fields.done();
  return schedule;
}

Schedule Schedule::deepseek_v3() {
  constexpr double kTokens = 14.8e12, kConstant = 10e12 / kTokens, kCosine = 14.3e12 / kTokens,
                   kTail = 14.633e12 / kTokens;
  Schedule s;
  s.learning_rate = 2.2e-4;
  s.warmup_steps = 2000;
  s.rate = Curve(1, {{kConstant, 1, Curve::Shape::constant},
                     {kCosine, 0.1, Curve::Shape::cosine},
                     {kTail, 0.1, Curve::Shape::constant},
                     {1, 7.3e-6 / 2.2e-4, Curve::Shape::constant}});
  s.batch = Curve(0.2, {{469e9 / kTokens, 1, Curve::Shape::linear}, {1, 1, Curve::Shape::constant}});
  s.mtp_weight = Curve(0.3, {{kConstant, 0.3, Curve::Shape::constant}, {1, 0.1, Curve::Shape::constant}});
  s.balance_speed = Curve(0.001, {{kCosine, 0.001, Curve::Shape::constant}, {1, 0, Curve::Shape::constant}});
  return s;
}

double Schedule::rate_at(double done, std::int64_t step) const {
  const double warm = step < warmup_steps ? static_cast<double>(step + 1) / static_cast<double>(warmup_steps) : 1.0;
  return learning_rate * warm * rate.at(done);
}

std::int64_t Schedule::rows_at(double done, std::int64_t rows) const {
  return std::max<std::int64_t>(1, std::llround(batch.at(done) * static_cast<double>(rows)));
}

}  // namespace limpid

// Schedules: how the learning rate, the batch, the weight of multi-token prediction and the speed of the experts'
// biases go over a training run, as functions of the part of it that is done. Data, read from JSON; immutable.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "train/fields.h"

namespace limpid {

// A curve over [0, 1]. In JSON a number, or
//   {"from": 0.2, "pieces": [{"until": 0.03, "to": 1, "shape": "linear"}, {"until": 1, "to": 1}]}
// Each piece ends at `until`, which ascends; shapes: "constant" (the default: `to` all the way), "linear" and "cosine"
// (from where the piece before ended, or `from`, to `to`). The last value holds behind the last piece.
class Curve {
 public:
  enum class Shape : std::uint8_t { constant, linear, cosine };
  struct Piece {
    double until = 1, to = 1;
    Shape shape = Shape::constant;
  };
  Curve(double value = 1) : from_(value) {}
  Curve(double from, std::vector<Piece> pieces) : from_(from), pieces_(std::move(pieces)) {}
  // Values lie in [0, most]. Throws Error(input) naming the field.
  static Curve parse(const nlohmann::json& json, const std::string& name, double most);

  double at(double done) const;

 private:
  double from_ = 1;
  std::vector<Piece> pieces_;
};

struct Schedule {
  double learning_rate = 2e-3;  // the highest
  std::int64_t warmup_steps =
      0;                   // over these it rises in a line from 0: step s (from 0) has (s + 1) / warmup_steps of it
  Curve rate = 1;          // times learning_rate
  Curve batch = 1;         // times the rows of a batch; at least one row
  Curve mtp_weight = 0.0;  // of the loss of multi-token prediction
  Curve balance_speed = 0.001;  // what the sign rule adds to the bias of an expert

  // Fields: learning_rate, warmup_steps, rate, batch, mtp_weight, balance_speed; all may be absent. "deepseek-v3", or
  // {"as": "deepseek-v3", ...}, is deepseek_v3() with what else is told.
  static Schedule parse(const nlohmann::json& json, const std::string& name);
  // DeepSeek-V3's (section 4.2 of its report) by fractions of its 14.8 T tokens: constant, cosine to a tenth, two
  // tails; the batch from a fifth over the first 3.2 %. 2000 of its 2.2e-4 and 15360 rows.
  static Schedule deepseek_v3();

  double rate_at(double done, std::int64_t step) const;
  std::int64_t rows_at(double done, std::int64_t rows) const;
};

}  // namespace limpid

// Weights of a softmax over the vocabulary, and the order of candidates. The same bits on every instruction set: exp is
// our own polynomial, sums use 16 strided accumulators in double, then a fixed tree.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace limpid {

// max over logits; NaN if any is NaN.
float max_logit(std::span<const float> logits);

// The first of the largest logits; -1 where one is NaN.
std::int32_t argmax(std::span<const float> logits);

// weights[i] = exp((logits[i] - max) * inverse_temperature), relative error < 2e-7; below 2^-100 it is 0. Returns the
// sum. -inf gives 0. weights may be empty: only the sum is wanted.
double softmax_weights(std::span<const float> logits, float max, float inverse_temperature, std::span<float> weights);

// ln of the probability of one id: what the sampler reports and what the losses of training are made of. total:
// softmax_weights(logits, max, inverse_temperature, ...).
inline double log_probability(float logit, float max, double total, float inverse_temperature = 1.0F) {
  return (static_cast<double>(logit) - static_cast<double>(max)) * static_cast<double>(inverse_temperature) -
         std::log(total);
}

// Candidates in the order (weight descending, id ascending), one at a time, sorting no more than what is asked for.
// Weight 0 never comes.
class CandidateOrder {
 public:
  // Over weights in [0, 1]; the span must stay as it is while next() is used.
  void start(std::span<const float> weights);
  // The next candidate's id, or -1 when there is none.
  std::int32_t next();

 private:
  struct Candidate {
    float weight;
    std::int32_t id;
  };
  static bool after(const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.id > b.id;
  }
  bool fill();

  std::span<const float> weights_;
  std::vector<Candidate> heap_;
  float above_ = 0;  // candidates of at least this weight have been handed out or are in the heap
  int band_ = 0;
};

}  // namespace limpid

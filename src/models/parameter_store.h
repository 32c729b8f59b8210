// ParameterStore: the parameters of a model in training. It visits a model like the loader does (nn/parameters.h) and
// owns an f32 master and a gradient of every parameter; the model's packed weights are made of the masters and made
// again after each step of the optimiser.
//
//   Decoder decoder(config);
//   ParameterStore store(decoder, {});       // memory; all masters zero
//   store.initialise(seed);                  // or load(weights)
//   team.run([&](int t) { store.pack(t, threads); });
//   store.register_in(tape);                 // ops/tape.h finds masters and gradients by the packed addresses
//   ... forward, loss, tape.backward(): gradients are added to ...
//   ... the optimiser changes Parameter::values ...; pack(); zero_gradients()
//
// The model must stay where it is while the store lives, and reads memory of the store's.
// Latent attention's maps are kept per head in the forward's orientation: k (latent, nope), v (value, latent); load and
// save join them to Hugging Face's kv_b_proj. Experts are one parameter each.
//
// Queries and keys of Llama's kind are kept in the order that the model's configuration rotates them in: halves (Hugging
// Face's; training_config in models/load.h) or pairs (a GGUF file's). load brings a file's order into it, and save writes
// Hugging Face's always.
//
// Thread safety: pack and zero_gradients share their work among threads that all call them; the rest is for one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "formats/weight_source.h"
#include "models/decoder.h"
#include "ops/tape.h"

namespace limpid {

enum class ParameterKind : std::uint8_t {
  matrix,     // of attention, an MLP or a shared expert
  expert,     // a matrix of one routed expert
  router,     // (E, D)
  embedding,  // (V, D), also of the head when they are tied
  head,       // (V, D)
  gain,       // of a norm
  bias,
  balance,  // a gate's bias for the choice of experts: no gradient, the sign rule moves it (DeepSeek-V3, 2.1.2)
};

struct Parameter {
  std::string name;     // unique: Hugging Face's; of a part of kv_b_proj with ".k.<head>" or ".v.<head>" behind it
  ParameterName names;  // of the tensor in each format; an expert's safetensors name has its number, GGUF's stacks all
  int part = -1;        // which expert, or which head; -1: the tensor is this parameter
  ParameterKind kind = ParameterKind::matrix;
  std::int64_t rows = 0, columns = 0;  // gain, bias, balance: (1, n)
  float* values = nullptr;             // (rows, columns), row-major, 64-byte aligned; padding behind it stays zero
  float* gradient = nullptr;           // the same; null: frozen
  std::int64_t size() const { return rows * columns; }
  bool is_vector() const {
    return kind == ParameterKind::gain || kind == ParameterKind::bias || kind == ParameterKind::balance;
  }
};

// The stream of Philox numbers that a parameter's first values come from: a hash of its name.
std::uint64_t random_stream(std::string_view name);

class ParameterStore {
 public:
  struct Options {
    DType packed = DType::f32;  // what products run in, forward and backward: f32, or bf16 (routers stay in f32)
    bool mtp = false;           // the layers of multi-token prediction too
    bool gradients = true;      // false: a frozen model (a reference policy, a teacher)
  };
  ParameterStore(Decoder& model, const Options& options);
  ~ParameterStore();
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  std::span<Parameter> parameters() { return parameters_; }
  std::span<const Parameter> parameters() const { return parameters_; }
  const Parameter& at(std::string_view name) const;  // Error(not_found) naming it
  std::int64_t size() const { return size_; }        // values of all parameters
  // All masters, all gradients: one array each, in the order of parameters(), each padded to 16 values.
  std::span<float> values() { return {values_, padded_}; }
  std::span<float> gradients() { return {gradients_, gradients_ ? padded_ : 0}; }

  // Matrices: normal with the standard deviation `deviation`, by Philox keyed with the seed and a hash of the parameter's name; gains 1, biases 0.
  // 0: 1 / sqrt(columns), half of that where a matrix writes to the residual stream, 0.02 for the head, and 0.5 for embeddings (tied: 1 / sqrt(columns)),
  // so that a token is not drowned by what the layers add to it (docs/log.md).
  void initialise(std::uint64_t seed, double deviation = 0.0);
  // All parameters, of any type, decoded. Throws Error(input) naming file and tensor when one is missing or misshapen.
  void load(const WeightSource& weights);
  // One safetensors file with Hugging Face's names, f32 or bf16 (rounded to nearest even). Tensors named in `extra` are
  // not written (tied heads have none).
  void save(const std::string& path, DType type = DType::f32) const;

  void pack(int thread, int threads) const;
  void zero_gradients(int thread, int threads);
  void register_in(Tape& tape) const;
  // What the forward reads of a matrix of parameters().
  const PackedWeight* packed(const Parameter& matrix) const;

  // No gradient for it from here on (register_in again): what the optimiser leaves alone.
  void freeze(Parameter& parameter) { parameter.gradient = nullptr; }

 private:
  class Lister;
  struct Packed {  // where a matrix lies for the forward
    std::size_t parameter;
    PackedWeight* weight;
    std::size_t offset;
  };

  void reorder(const Parameter& parameter, float* values, bool pairs) const;

  const ModelConfig config_;
  std::vector<Parameter> parameters_;
  std::vector<Packed> packed_;
  std::vector<std::pair<std::size_t, const float**>> vectors_;  // parameter, the model's pointer to it
  std::int64_t size_ = 0;
  std::size_t padded_ = 0;
  float *values_ = nullptr, *gradients_ = nullptr;
  HugeBuffer memory_;
};

}  // namespace limpid

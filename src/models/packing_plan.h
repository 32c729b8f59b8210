// PackingPlan: the list of what load_model() must pack, made by visiting a model's parameters, before any memory is taken for them. Making it reads no
// matrix; pack() reads each once, in the order of the list, hashes what it packed and gives the file's pages back behind it, a little at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/thread_team.h"
#include "formats/weight_source.h"
#include "models/load.h"
#include "nn/parameters.h"

namespace limpid {

class PackingPlan final : public ParameterVisitor {
 public:
  PackingPlan(const WeightSource& source, Precision precision) : source_(source), precision_(precision) {}

  void matrix(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& weight) override;
  void matrix_f32(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& weight) override;
  void vector(const ParameterName& name, std::int64_t n, const float*& values) override;
  void experts(const ParameterName& name, std::int64_t rows, std::int64_t columns,
               std::span<PackedWeight* const> weights) override;
  void key_value_maps(const ParameterName& joint, const std::string& gguf_k, const std::string& gguf_v,
                      std::int64_t nope, std::int64_t value, std::int64_t latent, std::span<PackedWeight> k,
                      std::span<PackedWeight> v) override;

  // From now on parameters are found and their shapes checked, but not loaded: their weights stay without data.
  void only_check() { only_check_ = true; }
  // Tensors that hold no parameter of the forward, by prefix: tables that can be computed.
  void ignore(const std::string& prefix) { ignored_.push_back(prefix); }
  void refuse_leftovers() const;  // Error(input) naming the first tensor that no parameter asked for

  std::uint64_t bytes() const { return bytes_; }
  // Of every packed byte and every vector, after pack(): the same for any number of threads.
  std::uint64_t fingerprint() const;
  // Packs everything into `memory` (bytes() long) with `threads` threads.
  void pack(std::byte* memory, int threads, const std::function<void(std::uint64_t, std::uint64_t)>& progress);
  std::vector<std::unique_ptr<float[]>> take_vectors() { return std::move(vectors_); }

 private:
  // Rows of a matrix in the file and where they go.
  struct Job {
    const Weight* file = nullptr;
    std::int64_t first_row = 0;  // of file
    bool transposed = false;     // file holds (weight->columns, weight->rows) from first_row on
    PackedWeight* weight = nullptr;
    std::uint64_t offset = 0;  // in memory
    std::uint64_t hash = 0;    // of its strips, summed
    std::int64_t file_rows() const { return transposed ? weight->columns : weight->rows; }
    std::int64_t strips() const { return (weight->rows + kStripRows - 1) / kStripRows; }
    std::size_t strip_bytes() const { return packed_strip_bytes(weight->type, weight->columns); }
  };
  // Strips of a job that are packed between two barriers.
  struct Piece {
    Job* job = nullptr;
    std::int64_t begin = 0, end = 0;
    int turn = 0;  // of a transposed job: which thread's
  };

  const Weight& find(const ParameterName& name);
  const std::string& name_of(const ParameterName& name) const;
  // Plans rows [first_row, first_row + rows) of a weight; type: what they become.
  void add(const Weight& weight, std::int64_t first_row, std::int64_t rows, std::int64_t columns, DType type,
           PackedWeight& packed, bool transposed = false);
  DType kept(const Weight& weight) const { return precision_ == Precision::exact ? DType::f32 : weight.type; }
  void add_stacked(const Weight& weight, std::int64_t rows, std::int64_t columns,
                   std::span<PackedWeight* const> packed);
  // What to pack next, from strip `strip` of job `job` on, up to `most` bytes; moves both on.
  std::vector<Piece> next_pieces(std::size_t& job, std::int64_t& strip, std::uint64_t most);
  void pack_piece(const Piece& piece, std::byte* memory, int thread, int threads) const;
  void drop(const Piece& piece) const;

  const WeightSource& source_;
  const Precision precision_;
  std::vector<Job> jobs_;
  std::vector<std::unique_ptr<float[]>> vectors_;
  std::vector<std::uint64_t> vector_hashes_;
  std::unordered_set<std::string_view> used_;
  std::vector<std::string> ignored_;
  std::uint64_t bytes_ = 0;
  bool only_check_ = false;
};

// Rows [first, first + count) of a weight in f32, block scales applied: (count, columns).
void decode_rows(const Weight& weight, std::int64_t first, std::int64_t count, float* out);
std::vector<float> decode_all(const Weight& weight);  // all of them: (rows, columns)

}  // namespace limpid

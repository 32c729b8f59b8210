// PackingPlan's second half: what was planned is packed, hashed and, behind that, given back to the page cache.
#include <algorithm>
#include <atomic>

#include "base/content_hash.h"
#include "models/packing_plan.h"

namespace limpid {

namespace {

// Bytes packed between two barriers, after which the file's pages of them are given back: what the peak of memory is above the packed size. The
// most costs 12,000 forks for 400 GB, no time beside reading them.
constexpr std::uint64_t kLeastGroup = std::uint64_t{1} << 20, kMostGroup = std::uint64_t{32} << 20;

// (columns, rows) of what was (rows, columns).
std::vector<float> transpose(const std::vector<float>& from, std::int64_t rows, std::int64_t columns) {
  std::vector<float> to(from.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      to[static_cast<std::size_t>(c * rows + r)] = from[static_cast<std::size_t>(r * columns + c)];
  return to;
}

}  // namespace

// A thread's strips of a piece. A transposed job is packed whole by one thread, because every strip needs all of its rows of the file.
void PackingPlan::pack_piece(const Piece& piece, std::byte* memory, int thread, int threads) const {
  Job& job = *piece.job;
  const Weight& file = *job.file;
  const PackedWeight& to = *job.weight;
  const std::int64_t n = piece.end - piece.begin;
  const bool whole = job.transposed;
  if (whole && piece.turn % threads != thread) return;
  const std::int64_t begin = whole ? piece.begin : piece.begin + n * thread / threads,
                     end = whole ? piece.end : piece.begin + n * (thread + 1) / threads;
  std::vector<float> decoded;
  const auto decode = [&](std::int64_t first, std::int64_t count) {
    decoded.resize(static_cast<std::size_t>(count * file.columns()));
    decode_rows(file, first, count, decoded.data());
  };
  if (whole) {
    decode(job.first_row, job.file_rows());
    decoded = transpose(decoded, job.file_rows(), file.columns());
  }
  const std::size_t stride = row_bytes(file.type, file.columns());
  std::uint64_t hash = 0;
  for (std::int64_t s = begin; s < end; ++s) {
    const std::span strip(memory + job.offset + static_cast<std::size_t>(s) * job.strip_bytes(), job.strip_bytes());
    if (whole) {
      pack_strip(to.type, std::as_bytes(std::span(decoded)), {}, to.rows, to.columns, s, strip.data());
    } else if (to.type == file.type) {
      const std::span rows = file.data.subspan(static_cast<std::size_t>(job.first_row) * stride,
                                               static_cast<std::size_t>(to.rows) * stride);
      pack_strip(to.type, rows, file.scales, to.rows, to.columns, s, strip.data());
    } else {
      const std::int64_t row = s * kStripRows, count = std::min<std::int64_t>(kStripRows, to.rows - row);
      decode(job.first_row + row, count);
      pack_strip(to.type, std::as_bytes(std::span(decoded)), {}, count, to.columns, 0, strip.data());
    }
    hash += content_hash(strip, static_cast<std::uint64_t>(s));  // a sum: the order of threads does not matter
  }
  std::atomic_ref(job.hash).fetch_add(hash, std::memory_order_relaxed);
}

std::vector<PackingPlan::Piece> PackingPlan::next_pieces(std::size_t& job, std::int64_t& strip, std::uint64_t most) {
  std::vector<Piece> pieces;
  int turns = 0;
  for (std::uint64_t taken = 0; job < jobs_.size() && taken < most;) {
    Job& each = jobs_[job];
    const std::int64_t fitting =
        std::max<std::int64_t>(1, static_cast<std::int64_t>((most - taken) / each.strip_bytes()));
    const std::int64_t end = each.transposed ? each.strips() : std::min(each.strips(), strip + fitting);
    pieces.push_back({&each, strip, end, each.transposed ? turns++ : 0});
    taken += static_cast<std::uint64_t>(end - strip) * each.strip_bytes();
    strip = end;
    if (strip == each.strips()) {
      ++job;
      strip = 0;
    }
  }
  return pieces;
}

void PackingPlan::drop(const Piece& piece) const {
  const Job& job = *piece.job;
  const std::int64_t begin = job.transposed ? 0 : piece.begin * kStripRows;
  const std::int64_t end = job.transposed ? job.file_rows() : std::min(piece.end * kStripRows, job.file_rows());
  const std::size_t stride = row_bytes(job.file->type, job.file->columns());
  source_.drop_bytes(*job.file, static_cast<std::size_t>(job.first_row + begin) * stride,
                     static_cast<std::size_t>(end - begin) * stride);
}

void PackingPlan::pack(std::byte* memory, int threads,
                       const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const std::uint64_t group = std::clamp(bytes_ / 64, kLeastGroup, kMostGroup);
  ThreadTeam team(threads);
  std::int64_t strip = 0;
  for (std::size_t job = 0; job < jobs_.size();) {
    const std::vector<Piece> pieces = next_pieces(job, strip, group);
    team.run([&](int thread) {
      for (const Piece& piece : pieces) pack_piece(piece, memory, thread, threads);
    });
    for (const Piece& piece : pieces) drop(piece);
    if (progress)
      progress(job < jobs_.size() ? jobs_[job].offset + static_cast<std::uint64_t>(strip) * jobs_[job].strip_bytes()
                                  : bytes_,
               bytes_);
  }
  for (const Job& job : jobs_) job.weight->data = memory + job.offset;
}

std::uint64_t PackingPlan::fingerprint() const {
  std::vector<std::uint64_t> all = vector_hashes_;
  for (const Job& job : jobs_) {
    const PackedWeight& to = *job.weight;
    for (const auto part : {static_cast<std::uint64_t>(to.type), static_cast<std::uint64_t>(to.rows),
                            static_cast<std::uint64_t>(to.columns), job.hash})
      all.push_back(part);
  }
  return content_hash(std::as_bytes(std::span(all)), kPackVersion);
}

}  // namespace limpid

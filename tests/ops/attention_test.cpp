// Attention against a plain one in double precision, and the contract of one answer: no bit moves with threads, chunks,
// pages, batch mates, instruction sets, or with what is in memory that nobody wrote.
#include <gtest/gtest.h>

#include "attention_world.h"
#include "base/error.h"

namespace limpid::attention_test {

std::vector<float> run(const Shape& shape, CacheType type, const Sequence& sequence, int tokens, const Run& how) {
  struct Lane {  // a sequence on its way
    const Sequence* data;
    int tokens, done, chunk;
    std::vector<std::int32_t> pages;
    int next() const { return std::min(chunk, tokens - done); }
  };
  std::vector<Sequence> mates;
  mates.reserve(how.mates.size());
  std::vector<Lane> lanes;
  for (std::size_t i = 0; i < how.mates.size(); ++i) {
    mates.emplace_back(shape, how.mates[i], 1000 + static_cast<unsigned>(i));
    lanes.push_back({&mates[i], how.mates[i], 0, static_cast<int>(i) + 1, {}});
  }
  const std::size_t main = lanes.size() / 2;  // rows before it and after it
  lanes.insert(lanes.begin() + static_cast<std::ptrdiff_t>(main), Lane{&sequence, tokens, 0, tokens, {}});

  std::size_t page_count = 1;  // and one that nobody owns
  for (const Lane& lane : lanes) page_count += static_cast<std::size_t>((lane.tokens + kPageTokens - 1) / kPageTokens);
  std::vector<std::int32_t> order(page_count);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(how.page_order);
  if (how.page_order) std::shuffle(order.begin(), order.end(), random);
  for (Lane& lane : lanes)
    for (int p = 0; p < lane.tokens; p += kPageTokens) {
      lane.pages.push_back(order.back());
      order.pop_back();
    }
  const CacheLayout layout = shape.layout(type);
  HugeBuffer pool(page_count * page_bytes(layout));
  std::memset(pool.data(), 0xFF, pool.size());
  const CacheLayer cache{layout, pool.data()};

  const auto frequency = frequencies(shape.pairs);
  const Rope rope{frequency.data(), shape.pairs, shape.interleaved, kMagnitude};
  const KernelTable& kernels = how.kernels[std::min(how.isa, how.kernels.size() - 1)];
  ThreadTeam team(how.threads);
  std::vector<float> result;
  for (std::size_t step = 0; lanes[main].done < tokens; ++step) {
    lanes[main].chunk = how.chunks.empty() ? tokens : how.chunks[step % how.chunks.size()];
    std::vector<std::int32_t> ids, positions;
    std::vector<BatchSequence> sequences;
    std::vector<float> q, k, v;
    auto append = [](std::vector<float>& to, const std::vector<float>& from, int first, int rows, int per_row) {
      to.insert(to.end(), from.begin() + std::ptrdiff_t{first} * per_row,
                from.begin() + std::ptrdiff_t{first + rows} * per_row);
    };
    std::int32_t main_row = 0;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      Lane& lane = lanes[i];
      const int rows = lane.next();
      if (i == main) main_row = static_cast<std::int32_t>(ids.size());
      if (rows == 0) continue;
      sequences.push_back({static_cast<std::int32_t>(ids.size()), rows, lane.done, lane.pages.data()});
      for (int r = 0; r < rows; ++r) {
        ids.push_back(0);
        positions.push_back(lane.done + r);
      }
      append(q, lane.data->q, lane.done, rows, shape.heads * shape.key_dim);
      append(k, lane.data->k, lane.done, rows, shape.kv_heads * shape.key_dim);
      if (!shape.latent()) append(v, lane.data->v, lane.done, rows, shape.kv_heads * shape.value_dim);
      lane.done += rows;
    }
    const Batch batch{ids, positions, sequences, {}};
    const std::int64_t rows = batch.tokens();
    // Exactly what the contract says that is needed, plus the rope table.
    std::vector<std::byte> arena(attention_arena_bytes(how.threads, batch.tokens(), shape.heads, shape.value_dim) +
                                 static_cast<std::size_t>(rows * 2 * shape.pairs) * sizeof(float) + 128);
    const std::size_t scratch_bytes =
        attention_scratch_bytes(batch.tokens(), shape.heads, shape.key_dim, shape.value_dim);
    HugeBuffer scratch(scratch_bytes * static_cast<std::size_t>(how.threads));
    const auto misaligned = reinterpret_cast<std::uintptr_t>(arena.data()) % 64;
    const std::span<std::byte> memory = std::span(arena).subspan(misaligned ? 64 - misaligned : 0);
    std::vector<float> out;
    team.run([&](int thread) {
      Exec ex;
      ex.thread = thread;
      ex.threads = how.threads;
      ex.barrier = &team.barrier();
      ex.kernels = &kernels;
      ex.arena = Arena(memory);
      ex.scratch = Arena(
          {scratch.data() + static_cast<std::size_t>(thread) * (scratch_bytes / 64 * 64), scratch_bytes / 64 * 64});
      ex.poison = true;
      const Tensor table = rope_table(ex, rope, batch);
      auto tensor = [&](std::vector<float>& x, int heads, int dim) {
        return Tensor(DType::f32, {rows, heads, dim}, reinterpret_cast<std::byte*>(x.data()));
      };
      const std::size_t before = ex.arena.used();
      Tensor y;
      if (shape.latent()) {
        LatentAttention attention{shape.heads, shape.value_dim, shape.rope_dim, shape.scale(), rope};
        y = rope_store_attend(ex, attention, table, tensor(q, shape.heads, shape.key_dim), tensor(k, 1, shape.key_dim),
                              batch, cache);
      } else {
        GroupedAttention attention{shape.heads, shape.kv_heads, shape.key_dim, shape.value_dim, shape.scale(), rope};
        y = rope_store_attend(ex, attention, table, tensor(q, shape.heads, shape.key_dim),
                              tensor(k, shape.kv_heads, shape.key_dim), tensor(v, shape.kv_heads, shape.value_dim),
                              batch, cache);
      }
      if (thread == 0) {
        const std::int64_t per_row = y.columns();
        out.assign(y.f32(), y.f32() + y.size());
        result.insert(result.end(), out.begin() + main_row * per_row,
                      out.begin() + (main_row + (lanes[main].done -
                                                 static_cast<int>(result.size() / static_cast<std::size_t>(per_row)))) *
                                        per_row);
        EXPECT_EQ(ex.arena.used(), before + (static_cast<std::size_t>(y.size()) * 4 + 63) / 64 * 64)
            << "temporaries were not given back";
        EXPECT_EQ(ex.scratch.used(), 0U);
      }
    });
  }
  return result;
}

namespace {

const std::vector<Shape> kShapes = {
    {"smollm2", 9, 3, 64, 64, 32, false},  // SmolLM2-135M
    {"qwen2", 6, 1, 128, 128, 64, false},  // half of Qwen2-1.5B
    {"odd", 6, 2, 24, 40, 5, true},        // nothing is a multiple of 16; 10 of 24 values rotate
    {"plain", 2, 2, 80, 16, 0, false},     // every head its own keys; no rotation
    {"latent", 5, 1, 80, 64, 8, true, 16}, {"odd_latent", 7, 1, 51, 41, 5, false, 10},
};
const CacheType kTypes[] = {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::q8};
const char* const kTypeNames[] = {"f32", "f16", "bf16", "q8"};

struct Case {
  Shape shape;
  CacheType type;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Shape& shape : kShapes)
    for (CacheType type : kTypes) all.push_back({shape, type});
  return all;
}
std::string case_name(const testing::TestParamInfo<Case>& info) {
  return info.param.shape.name + "_" + kTypeNames[static_cast<int>(info.param.type)];
}

// The number of floats whose bits differ.
std::size_t differences(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return ~std::size_t{0};
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], 4) != 0;
  return count;
}

class Attention : public testing::TestWithParam<Case> {
 protected:
  const Shape& shape() const { return GetParam().shape; }
  CacheType type() const { return GetParam().type; }
  // The tokens' outputs computed one at a time on one thread, pages in order: what every other way must equal.
  std::vector<float> expected(const Sequence& sequence, int tokens) const {
    return run(shape(), type(), sequence, tokens, {.chunks = {1}});
  }
};
INSTANTIATE_TEST_SUITE_P(All, Attention, testing::ValuesIn(cases()), case_name);

TEST_P(Attention, EqualsThePlainOneInDoublePrecision) {
  const int tokens = 300;
  const Sequence sequence(shape(), tokens, 1);
  const auto found = run(shape(), type(), sequence, tokens, {});
  const auto truth = reference(shape(), sequence, tokens, type());
  ASSERT_EQ(found.size(), truth.size());
  double worst = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ASSERT_TRUE(std::isfinite(found[i])) << i;
    worst = std::max(worst, std::fabs(static_cast<double>(found[i]) - truth[i]));
  }
  // Values are of size 1 and scores of size 10. A q8 value on the edge between two integers may fall the other way in
  // the reference.
  EXPECT_LT(worst, type() == CacheType::q8 ? 2e-3 : 2e-5);
}

TEST_P(Attention, BitsDoNotDependOnChunks) {
  const int tokens = 600;
  const Sequence sequence(shape(), tokens, 2);
  const auto truth = expected(sequence, tokens);
  for (const std::vector<int>& chunks : std::vector<std::vector<int>>{{}, {7, 64, 1, 130, 255}, {512}, {33}, {256}})
    EXPECT_EQ(differences(run(shape(), type(), sequence, tokens, {.chunks = chunks}), truth), 0U)
        << testing::PrintToString(chunks);
}

TEST_P(Attention, BitsDoNotDependOnThreads) {
  const int tokens = 530;
  const Sequence sequence(shape(), tokens, 3);
  const auto truth = expected(sequence, tokens);
  for (int threads : {2, 3})
    for (const std::vector<int>& chunks : std::vector<std::vector<int>>{{}, {500, 1, 3}, {250, 20, 1, 1, 240, 5}})
      EXPECT_EQ(differences(run(shape(), type(), sequence, tokens, {.threads = threads, .chunks = chunks}), truth), 0U)
          << threads << " threads, chunks " << testing::PrintToString(chunks);
}

TEST_P(Attention, BitsDoNotDependOnPagesAndBatchMates) {
  const int tokens = 258;
  const Sequence sequence(shape(), tokens, 4);
  const auto truth = expected(sequence, tokens);
  for (int threads : {1, 2}) {
    EXPECT_EQ(
        differences(run(shape(), type(), sequence, tokens, {.threads = threads, .chunks = {200, 1}, .page_order = 7}),
                    truth),
        0U);
    EXPECT_EQ(differences(run(shape(), type(), sequence, tokens,
                              {.threads = threads, .chunks = {100, 1, 60, 3}, .page_order = 8, .mates = {40, 300, 5}}),
                          truth),
              0U);
  }
}

TEST_P(Attention, BitsDoNotDependOnTheInstructionSet) {
  const int tokens = 280;
  const Sequence sequence(shape(), tokens, 5);
  const std::size_t isas = tables().size();
  const auto truth = run(shape(), type(), sequence, tokens, {.chunks = {270, 1}, .isa = 0});
  for (std::size_t isa = 1; isa < isas; ++isa)
    EXPECT_EQ(differences(run(shape(), type(), sequence, tokens, {.chunks = {270, 1}, .isa = isa}), truth), 0U)
        << tables()[isa].isa;
}

TEST_P(Attention, ShortAndBorderLengths) {
  for (int tokens : {1, 2, 63, 64, 65, 255, 256, 257}) {
    const Sequence sequence(shape(), tokens, 6);
    const auto whole = run(shape(), type(), sequence, tokens, {});
    EXPECT_EQ(differences(whole, expected(sequence, tokens)), 0U) << tokens;
    // The last token alone, after the rest.
    EXPECT_EQ(
        differences(run(shape(), type(), sequence, tokens, {.threads = 2, .chunks = {std::max(1, tokens - 1)}}), whole),
        0U)
        << tokens;
  }
}

}  // namespace
}  // namespace limpid::attention_test

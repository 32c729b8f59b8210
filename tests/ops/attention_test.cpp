// Attention against a plain one in double precision, and the contract of one answer: no bit moves with threads, chunks,
// pages, batch mates, instruction sets, or with what is in memory that nobody wrote.
#include <gtest/gtest.h>

#include "attention_world.h"
#include "base/error.h"

namespace limpid::attention_test {

std::vector<float> Machine::step(const Shape& shape, const CacheLayer& cache, const Batch& batch, std::vector<float>& q,
                                 std::vector<float>& k, std::vector<float>& v) {
  const int threads = team_.threads();
  const std::int64_t rows = batch.tokens();
  const std::size_t table_bytes = (static_cast<std::size_t>(rows * 2 * shape.pairs) * sizeof(float) + 63) / 64 * 64;
  const std::size_t arena_bytes =
      attention_arena_bytes(threads, batch.tokens(), shape.heads, shape.value_dim) + table_bytes;
  const std::size_t scratch_bytes =
      attention_scratch_bytes(batch.tokens(), shape.heads, shape.key_dim, shape.value_dim);
  if (arena_.size() < arena_bytes) arena_ = HugeBuffer(arena_bytes);
  scratch_.resize(static_cast<std::size_t>(threads));
  for (HugeBuffer& scratch : scratch_)
    if (scratch.size() < scratch_bytes) scratch = HugeBuffer(scratch_bytes);
  const auto frequency = frequencies(shape.pairs);
  const Rope rope{frequency.data(), shape.pairs, shape.interleaved, kMagnitude};
  std::vector<float> result;
  team_.run([&](int thread) {
    Exec ex;
    ex.thread = thread;
    ex.threads = threads;
    ex.barrier = &team_.barrier();
    ex.kernels = &kernels_;
    ex.arena = Arena({arena_.data(), arena_bytes});
    ex.scratch = Arena({scratch_[static_cast<std::size_t>(thread)].data(), scratch_bytes});
    ex.poison = true;
    const Tensor table = rope_table(ex, rope, batch);
    const std::size_t before = ex.arena.used();
    auto tensor = [&](std::vector<float>& x, int heads, int dim) {
      return Tensor(DType::f32, {rows, heads, dim}, reinterpret_cast<std::byte*>(x.data()));
    };
    Tensor y;
    if (shape.latent()) {
      const LatentAttention attention{shape.heads, shape.value_dim, shape.rope_dim, shape.scale(), rope};
      y = rope_store_attend(ex, attention, table, tensor(q, shape.heads, shape.key_dim), tensor(k, 1, shape.key_dim),
                            batch, cache);
    } else {
      const GroupedAttention attention{shape.heads,     shape.kv_heads, shape.key_dim,
                                       shape.value_dim, shape.scale(),  rope};
      y = rope_store_attend(ex, attention, table, tensor(q, shape.heads, shape.key_dim),
                            tensor(k, shape.kv_heads, shape.key_dim), tensor(v, shape.kv_heads, shape.value_dim), batch,
                            cache);
    }
    if (thread != 0) return;
    result.assign(y.f32(), y.f32() + y.size());
    EXPECT_EQ(ex.arena.used(), before + (result.size() * sizeof(float) + 63) / 64 * 64)
        << "temporaries were not given back";
    EXPECT_EQ(ex.scratch.used(), 0U);
  });
  return result;
}

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

  Machine machine(how.threads, how.kernels[std::min(how.isa, how.kernels.size() - 1)]);
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
    std::ptrdiff_t main_row = 0, main_rows = 0;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      Lane& lane = lanes[i];
      const int rows = lane.next();
      if (i == main) main_row = static_cast<std::ptrdiff_t>(ids.size()), main_rows = rows;
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
    const auto out = machine.step(shape, {layout, pool.data()}, {ids, positions, sequences, {}}, q, k, v);
    const std::ptrdiff_t per_row = std::ptrdiff_t{shape.heads} * shape.value_dim;
    result.insert(result.end(), out.begin() + main_row * per_row, out.begin() + (main_row + main_rows) * per_row);
  }
  const std::byte* nobodys = pool.data() + static_cast<std::size_t>(order.back()) * page_bytes(layout);
  EXPECT_TRUE(std::all_of(nobodys, nobodys + page_bytes(layout), [](std::byte b) { return b == std::byte{0xFF}; }))
      << "a free page was written";
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
void PrintTo(const Case& c, std::ostream* out) { *out << c.shape.name << " " << kTypeNames[static_cast<int>(c.type)]; }
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

// More partial results than a round may hold: 64 heads over a history of 2,303 tokens, which a single head filled.
TEST(LongHistory, RoundsOfSpansHaveTheBitsOfOneThread) {
  Shape filler{"filler", 1, 1, 528, 512, 8, true, 16}, shape = filler;
  shape.heads = 64;
  const int tokens = 2303;
  Sequence history(filler, tokens, 7), last(shape, 2, 8);
  const CacheLayout layout = shape.layout(CacheType::f16);
  std::vector<std::int32_t> pages(tokens / kPageTokens + 2), ids(tokens), positions(tokens);
  std::iota(pages.begin(), pages.end(), 0);
  std::iota(positions.begin(), positions.end(), 0);
  HugeBuffer pool(pages.size() * page_bytes(layout));
  std::memset(pool.data(), 0xFF, pool.size());
  const KernelTable kernels = tables().back();
  const BatchSequence fill{0, tokens, 0, pages.data()};
  std::vector<float> none;
  Machine(1, kernels).step(filler, {layout, pool.data()}, {ids, positions, {&fill, 1}, {}}, history.q, history.k, none);

  // Two rows in different spans: positions 2303 and 2304.
  const BatchSequence two{0, 2, 2303, pages.data()};
  std::vector<std::int32_t> two_ids(2), two_positions{2303, 2304};
  std::vector<std::vector<float>> found;
  for (int threads : {1, 2, 3})
    found.push_back(
        Machine(threads, kernels)
            .step(shape, {layout, pool.data()}, {two_ids, two_positions, {&two, 1}, {}}, last.q, last.k, none));
  EXPECT_EQ(differences(found[0], found[1]), 0U);
  EXPECT_EQ(differences(found[0], found[2]), 0U);
  EXPECT_TRUE(std::all_of(found[0].begin(), found[0].end(), [](float x) { return std::isfinite(x); }));
}

// The bytes of a page are a contract: they are written to disk (docs/formats.md).
TEST(CachePage, KeysAreTransposedAndValuesAreRows) {
  const Shape shape{"page", 4, 2, 24, 40, 0, false};
  const int tokens = 70;
  Sequence sequence(shape, tokens, 9);
  const CacheLayout layout = shape.layout(CacheType::f32);
  const std::size_t head = 24 * 64 + 64 * 48;  // floats: a row of 40 values takes 48
  ASSERT_EQ(page_bytes(layout), 2 * head * sizeof(float));
  EXPECT_EQ(bytes_per_token(layout), 2 * (24 + 48) * 4.0);
  HugeBuffer pool(2 * page_bytes(layout));
  std::vector<std::int32_t> pages{1, 0}, ids(tokens), positions(tokens);
  std::iota(positions.begin(), positions.end(), 0);
  const BatchSequence all{0, tokens, 0, pages.data()};
  Machine(1, tables().back())
      .step(shape, {layout, pool.data()}, {ids, positions, {&all, 1}, {}}, sequence.q, sequence.k, sequence.v);
  for (int t = 0; t < tokens; ++t)
    for (int h = 0; h < 2; ++h) {
      const auto* page = reinterpret_cast<const float*>(
          pool.data() + static_cast<std::size_t>(pages[static_cast<std::size_t>(t / 64)]) * page_bytes(layout));
      const float* keys = page + static_cast<std::size_t>(h) * head;
      for (int d = 0; d < 24; ++d)
        ASSERT_EQ(keys[d * 64 + t % 64], sequence.k[static_cast<std::size_t>((t * 2 + h) * 24 + d)]);
      for (int d = 0; d < 48; ++d)
        ASSERT_EQ(keys[24 * 64 + t % 64 * 48 + d],
                  d < 40 ? sequence.v[static_cast<std::size_t>((t * 2 + h) * 40 + d)] : 0.0F);
    }
}

TEST(CachePage, Sizes) {
  // SmolLM2-135M: 3 kv heads of 64; f16: 2 * 3 * 64 * 2 bytes a token. q8: a byte each and two scales a head.
  CacheLayout layout{CacheType::f16, 3, 64, 64, 0, 0};
  EXPECT_EQ(bytes_per_token(layout), 768);
  layout.type = CacheType::q8;
  EXPECT_EQ(bytes_per_token(layout), 3 * (128 + 8));
  // DeepSeek-V3: 512 + 64 stored once; q8: 576 bytes and 18 scales, to a multiple of 64.
  layout = {CacheType::bf16, 1, 0, 0, 512, 64};
  EXPECT_EQ(bytes_per_token(layout), 1152);
  layout.type = CacheType::q8;
  EXPECT_EQ(bytes_per_token(layout), 704);
}

TEST(CachePage, RefusesALayoutThatCannotBe) {
  for (const CacheLayout& layout :
       {CacheLayout{CacheType::f16, 0, 64, 64, 0, 0}, CacheLayout{CacheType::f16, 2, 0, 64, 0, 0},
        CacheLayout{CacheType::f16, 2, 64, -1, 0, 0}, CacheLayout{CacheType::q8, 1, 0, 0, 1 << 20, 64},
        CacheLayout{CacheType::q8, 1, 0, 0, 512, -4}, CacheLayout{static_cast<CacheType>(9), 1, 64, 64, 0, 0}})
    EXPECT_THROW(page_bytes(layout), Error);
}

TEST(AttentionShapes, AnErrorSaysWhatDoesNotFit) {
  const Shape shape{"wrong", 4, 2, 32, 32, 16, false};
  Sequence sequence(shape, 1, 10);
  std::vector<std::int32_t> page{0}, ids{0}, positions{0};
  const BatchSequence one{0, 1, 0, page.data()};
  const Batch batch{ids, positions, {&one, 1}, {}};
  auto message = [&](CacheLayout layout, const Shape& with) {
    HugeBuffer pool(1 << 20);
    try {
      Machine(2, tables().back()).step(with, {layout, pool.data()}, batch, sequence.q, sequence.k, sequence.v);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CacheLayout layout = shape.layout(CacheType::f32);
  EXPECT_EQ(message(layout, shape), "no error");
  layout.key_dim = 64;
  EXPECT_EQ(message(layout, shape), "attention: the cache's key size is 64, expected 32");
  Shape rotated = shape;
  rotated.pairs = 17;
  EXPECT_EQ(message(shape.layout(CacheType::f32), rotated),
            "attention: 17 pairs rotated from value 0 do not fit a head of 32");
  Shape uneven = shape;
  uneven.heads = 3;
  EXPECT_EQ(message(shape.layout(CacheType::f32), uneven), "attention: 3 heads cannot share 2 kv heads");
}

}  // namespace
}  // namespace limpid::attention_test

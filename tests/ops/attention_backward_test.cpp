// Gradients of attention: by finite differences, and for lengths of several blocks, several documents and rounded
// caches against plain loops in double precision (the formulas of src/ops/attention_backward.h without its blocks).
#include "attention_world.h"
#include "base/error.h"
#include "gradient_world.h"

namespace limpid::ops_test {
namespace {

using attention_test::Shape;

// Documents of a batch, each in its own shuffled pages of NaN.
class Documents {
 public:
  Documents(const Shape& of, CacheType cache, const std::vector<int>& lengths)
      : shape(of), type(cache), frequency(attention_test::frequencies(of.pairs)) {
    std::int32_t rows = 0, pages = 0;
    for (const int n : lengths) pages += (n + kPageTokens - 1) / kPageTokens;
    for (std::int32_t i = 0; i < pages; ++i) order_.push_back((i * 7 + 3) % pages);  // a permutation unless 7 | pages
    if (pages % 7 == 0) std::iota(order_.begin(), order_.end(), 0);
    pages = 0;
    for (const int n : lengths) {
      for (int p = 0; p < n; ++p) positions.push_back(p);
      sequences.push_back({rows, n, 0, order_.data() + pages});
      rows += n;
      pages += (n + kPageTokens - 1) / kPageTokens;
    }
    ids.resize(positions.size());
    memory_ = lines_for(static_cast<std::size_t>(pages) * page_bytes(shape.layout(type)));
  }
  std::int64_t tokens() const { return static_cast<std::int64_t>(positions.size()); }
  std::int64_t q_size() const { return tokens() * shape.heads * shape.key_dim; }
  std::int64_t k_size() const { return tokens() * shape.kv_heads * shape.key_dim; }
  std::int64_t v_size() const { return shape.latent() ? 0 : tokens() * shape.kv_heads * shape.value_dim; }
  std::int64_t size() const { return q_size() + k_size() + v_size(); }

  Tensor attend(Exec& ex, Tensor& x) {
    if (ex.thread == 0) std::memset(static_cast<void*>(memory_.data()), 0xFF, memory_.size() * sizeof(memory_[0]));
    ex.sync();
    const Batch batch{ids, positions, sequences, {}};
    const CacheLayer cache{shape.layout(type), memory_.front().bytes};
    const Rope rope{frequency.data(), shape.pairs, shape.interleaved, attention_test::kMagnitude};
    const auto part = [&](std::int64_t from, std::int64_t columns) {
      Tensor t(DType::f32, {tokens(), columns}, x.data + static_cast<std::size_t>(from) * sizeof(float));
      if (x.gradient != nullptr) t.gradient = x.gradient + from;
      return t;
    };
    const Tensor q = part(0, std::int64_t{shape.heads} * shape.key_dim),
                 k = part(q_size(), std::int64_t{shape.kv_heads} * shape.key_dim);
    const Tensor table = rope_table(ex, rope, batch);
    if (shape.latent()) {
      const LatentAttention latent{shape.heads, shape.value_dim, shape.rope_dim, shape.scale(), rope};
      return rope_store_attend(ex, latent, table, q, k, batch, cache);
    }
    const Tensor v = part(q_size() + k_size(), std::int64_t{shape.kv_heads} * shape.value_dim);
    const GroupedAttention grouped{shape.heads, shape.kv_heads, shape.key_dim, shape.value_dim, shape.scale(), rope};
    return rope_store_attend(ex, grouped, table, q, k, v, batch, cache);
  }

  std::vector<double> reference(const std::vector<float>& x, const std::vector<float>& dout) const;

  Shape shape;
  CacheType type;
  std::vector<float> frequency;
  std::vector<std::int32_t> ids, positions;
  std::vector<BatchSequence> sequences;

 private:
  std::vector<std::int32_t> order_;
  Lines memory_;
};

std::vector<double> Documents::reference(const std::vector<float>& x, const std::vector<float>& dout) const {
  std::vector<float> rotated = x, cos(frequency.size()), sin(frequency.size());
  const auto at = [](auto& from, std::int64_t i) -> auto& { return from[static_cast<std::size_t>(i)]; };
  const auto angles = [&](std::int64_t row) {
    attention_test::plain_angles(frequency.data(), shape.pairs, at(positions, row), attention_test::kMagnitude,
                                 cos.data(), sin.data());
  };
  const auto turn = shape.interleaved ? attention_test::plain_pairs : attention_test::plain_halves;
  for (std::int64_t row = 0; row < tokens(); ++row) {
    angles(row);
    for (int h = 0; h < shape.heads; ++h)
      turn(&at(rotated, (row * shape.heads + h) * shape.key_dim) + shape.rotated(), cos.data(), sin.data(),
           shape.pairs);
    for (int h = 0; h < shape.kv_heads; ++h) {
      float* key = &at(rotated, q_size() + (row * shape.kv_heads + h) * shape.key_dim);
      turn(key + shape.rotated(), cos.data(), sin.data(), shape.pairs);
      attention_test::round_as_cached(type, key, shape.key_dim, shape.latent() ? 32 : shape.key_dim);
      if (!shape.latent())
        attention_test::round_as_cached(
            type, &at(rotated, q_size() + k_size() + (row * shape.kv_heads + h) * shape.value_dim), shape.value_dim,
            shape.value_dim);
    }
  }
  std::vector<double> gradient(x.size());
  const auto number = [&](std::int64_t i) { return static_cast<double>(at(rotated, i)); };
  for (const BatchSequence& s : sequences)
    for (int h = 0; h < shape.heads; ++h) {
      const int kv = h / (shape.heads / shape.kv_heads);
      for (int t = 0; t < s.rows; ++t) {
        const std::int64_t q = ((s.first_row + t) * std::int64_t{shape.heads} + h) * shape.key_dim,
                           o = ((s.first_row + t) * std::int64_t{shape.heads} + h) * shape.value_dim;
        const auto key = [&](int p) {
          return q_size() + ((s.first_row + p) * std::int64_t{shape.kv_heads} + kv) * shape.key_dim;
        };
        const auto value = [&](int p) {
          return shape.latent()
                     ? key(p)
                     : q_size() + k_size() + ((s.first_row + p) * std::int64_t{shape.kv_heads} + kv) * shape.value_dim;
        };
        std::vector<double> weight(static_cast<std::size_t>(t) + 1), dweight(weight.size());
        double total = 0, mean = 0;
        for (int p = 0; p <= t; ++p) {
          double score = 0;
          for (int d = 0; d < shape.key_dim; ++d) score += number(q + d) * number(key(p) + d);
          total += at(weight, p) = std::exp(score * static_cast<double>(shape.scale()));
        }
        for (int p = 0; p <= t; ++p) {
          at(weight, p) /= total;
          for (int d = 0; d < shape.value_dim; ++d) {
            at(dweight, p) += static_cast<double>(at(dout, o + d)) * number(value(p) + d);
            at(gradient, value(p) + d) += at(weight, p) * static_cast<double>(at(dout, o + d));
          }
          mean += at(weight, p) * at(dweight, p);
        }
        for (int p = 0; p <= t; ++p) {
          const double ds = at(weight, p) * (at(dweight, p) - mean) * static_cast<double>(shape.scale());
          for (int d = 0; d < shape.key_dim; ++d) {
            at(gradient, q + d) += ds * number(key(p) + d);
            at(gradient, key(p) + d) += ds * number(q + d);
          }
        }
      }
    }
  // Back through the rotation: y_a = a c - b s, y_b = b c + a s.
  const auto back = [&](std::int64_t head) {
    for (int i = 0; i < shape.pairs; ++i) {
      double& a = at(gradient, head + shape.rotated() + (shape.interleaved ? 2 * i : i));
      double& b = at(gradient, head + shape.rotated() + (shape.interleaved ? 2 * i + 1 : i + shape.pairs));
      const double c = static_cast<double>(at(cos, i)), n = static_cast<double>(at(sin, i)), da = a;
      a = da * c + b * n;
      b = b * c - da * n;
    }
  };
  for (std::int64_t row = 0; row < tokens(); ++row) {
    angles(row);
    for (int h = 0; h < shape.heads; ++h) back((row * shape.heads + h) * shape.key_dim);
    for (int h = 0; h < shape.kv_heads; ++h) back(q_size() + (row * shape.kv_heads + h) * shape.key_dim);
  }
  return gradient;
}

std::vector<Shape> shapes() {
  return {{"grouped", 4, 2, 20, 12, 7, false},
          {"multi_query", 3, 1, 16, 33, 8, true},
          {"heads", 2, 2, 34, 34, 0, false},
          {"latent", 5, 1, 26, 20, 3, true, 6}};
}
class AttentionBackward : public ::testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, AttentionBackward, ::testing::ValuesIn(shapes()),
                         [](const auto& shape) { return shape.param.name; });

void expect_reference(const Shape& shape, CacheType type, const std::vector<int>& lengths, double tolerance) {
  Documents documents(shape, type, lengths);
  GradientWorld world(1, documents.size(), 17);
  world.on([&](Exec& ex, Tensor& x) { return documents.attend(ex, x); });
  const std::vector<float> x = random_values(documents.size(), 17);
  const std::vector<float> dice = random_values(documents.tokens() * shape.heads * shape.value_dim, 99);
  const std::vector<float> got = world.gradients({});
  expect_near(got, documents.reference(x, dice), tolerance);
  for (const KernelTable* table : kernel_tables())
    for (int threads : {1, 2, 3})
      EXPECT_TRUE(same_bits(world.gradients({threads, table}), got)) << table->isa << " on " << threads << " threads";
}

TEST_P(AttentionBackward, FiniteDifferences) {
  Documents documents(GetParam(), CacheType::f32, {5, 1, 3});
  GradientWorld world(1, documents.size(), 17);
  world.on([&](Exec& ex, Tensor& x) { return documents.attend(ex, x); });
  world.check();
}

TEST_P(AttentionBackward, DocumentsSeeOnlyThemselves) {
  expect_reference(GetParam(), CacheType::f32, {70, 1, 129, 33, 2}, 1e-4);
}

TEST(AttentionBackwardHeads, MoreThanAPieceHolds) {
  expect_reference({"many_heads", 150, 1, 10, 6, 2, true, 4}, CacheType::f32, {9, 4}, 1e-4);
}

TEST(AttentionBackwardLengths, SeveralBlocksAndSpans) {
  expect_reference(shapes()[0], CacheType::f32, {128, 300}, 1e-4);
  expect_reference(shapes()[3], CacheType::f32, {257}, 1e-4);
}

TEST(AttentionBackwardCaches, KeysAndValuesAsTheyAreStored) {
  for (const CacheType type : {CacheType::f16, CacheType::bf16, CacheType::q8})
    for (const Shape& shape : {shapes()[0], shapes()[3]}) {
      SCOPED_TRACE(shape.name + " of type " + std::to_string(static_cast<int>(type)));
      // bf16 and q8: a sum in another order rounds to another step now and then; the reference rotates in plain f32.
      expect_reference(shape, type, {40, 7}, 2e-4);
    }
}

TEST(AttentionBackwardErrors, ASequenceThatGoesOn) {
  Documents documents(shapes()[0], CacheType::f32, {5});
  documents.sequences[0].first_position = 3;
  for (std::int32_t& position : documents.positions) position += 3;
  GradientWorld world(1, documents.size(), 17);
  world.on([&](Exec& ex, Tensor& x) { return documents.attend(ex, x); });
  try {
    world.gradients({});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_NE(std::string(error.what()).find("begins at position 3"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace limpid::ops_test

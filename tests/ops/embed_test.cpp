// The embedding's rows are the table's, and the logits are those of the rows that are asked for.
#include "ops/embed.h"

#include "ops_world.h"

namespace limpid::ops_test {
namespace {

class Vocabulary : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, Vocabulary, ::testing::ValuesIn(weight_types()), type_name);

TEST_P(Vocabulary, EmbedGivesTheRowsOfTheTable) {
  constexpr std::int64_t kVocabulary = 53;
  const std::int64_t columns = fitting(GetParam(), 96);
  const Weight table(GetParam(), kVocabulary, columns, 1);
  const std::vector<std::int32_t> ids{0, 52, 17, 17, 16, 48, 31};
  Batch batch;
  batch.ids = ids;
  for (int threads : {1, 3}) {
    run_step(
        {threads, &best_kernels()}, ids.size() * static_cast<std::size_t>(columns) * sizeof(float), 0, [&](Exec& ex) {
          const Tensor x = embed(ex, table.view(), batch);
          ASSERT_EQ(x.rows(), static_cast<std::int64_t>(ids.size()));
          for (std::int64_t t = 0; t < x.rows(); ++t)
            for (std::int64_t i = 0; i < columns; ++i)
              ASSERT_EQ(x.row(t)[i], table.at(ids[static_cast<std::size_t>(t)], i)) << "row " << t << " column " << i;
        });
  }
}

std::vector<float> logits_of(const How& how, const Weight& vocabulary, const std::vector<float>& gain,
                             std::vector<float> x, std::int64_t rows, const std::vector<std::int32_t>& outputs) {
  Batch batch;
  batch.outputs = outputs;
  const PackedWeight& view = vocabulary.view();
  const auto wanted = static_cast<std::int64_t>(outputs.size());
  std::vector<float> result;
  run_step(how, head_arena_bytes(wanted, view.columns, view.rows), head_scratch_bytes(view.columns), [&](Exec& ex) {
    const Tensor logits = head(ex, tensor_of(x, rows), gain.data(), kEps, view, batch);
    EXPECT_EQ(logits.rows(), wanted);
    EXPECT_EQ(logits.columns(), view.rows);
    if (ex.thread == 0) result.assign(logits.f32(), logits.f32() + wanted * view.rows);
  });
  return result;
}

TEST_P(Vocabulary, HeadGivesTheLogitsOfTheRowsThatAreAskedFor) {
  constexpr std::int64_t kVocabulary = 211, kRows = 66;
  const std::int64_t columns = fitting(GetParam(), 128);
  const Weight vocabulary(GetParam(), kVocabulary, columns, 1);
  const std::vector<float> x = random_values(kRows * columns, 2), gain = random_values(columns, 3);
  const RowsOp all = [&](const How& how, const std::vector<float>& some, std::int64_t n) {
    std::vector<std::int32_t> outputs(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i] = static_cast<std::int32_t>(i);
    return logits_of(how, vocabulary, gain, some, n, outputs);
  };
  const std::vector<float> logits = one_answer(all, x, kRows);
  Doubles expected;
  for (std::int64_t t = 0; t < kRows; ++t) {
    const Doubles y = times(vocabulary, normalised(row_of(x, t, columns), gain));
    expected.insert(expected.end(), y.begin(), y.end());
  }
  expect_near(logits, expected, tolerance_of(GetParam()));

  for (const std::vector<std::int32_t>& outputs :
       std::vector<std::vector<std::int32_t>>{{65}, {0, 7, 64}, {1, 2, 3, 10, 20, 65}, {}}) {
    std::vector<float> some;
    for (std::int32_t row : outputs)
      some.insert(some.end(), logits.begin() + row * kVocabulary, logits.begin() + (row + 1) * kVocabulary);
    EXPECT_TRUE(same_bits(logits_of({2, &best_kernels()}, vocabulary, gain, x, kRows, outputs), some));
  }
}

}  // namespace
}  // namespace limpid::ops_test

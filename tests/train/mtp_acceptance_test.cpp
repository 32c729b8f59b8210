// What multi-token prediction proposes and what is accepted, against both heads' logits computed one by one.
#include "train/mtp_acceptance.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/philox.h"
#include "models/load.h"
#include "tests/models/mtp_model.h"

namespace limpid {
namespace {

using model_test::Ids;

std::string model_path(const char* name) { return std::string(REPO_DIR) + "/tests/models/data/" + name; }

std::ptrdiff_t best(const std::vector<float>& logits, std::size_t row, std::size_t columns) {
  const auto first = logits.begin() + static_cast<std::ptrdiff_t>(row * columns);
  return std::max_element(first, first + static_cast<std::ptrdiff_t>(columns)) - first;
}

TEST(MtpAcceptance, IsWhereBothHeadsChooseTheSame) {
  const auto decoder =
      load_decoder(ModelFiles::open(model_path("deepseek_v3")), Precision::exact, 1, {}, {.mtp = true});
  const auto columns = static_cast<std::size_t>(decoder->info().vocabulary);
  int all = 0, agreed = 0;
  for (const int threads : {1, 2}) {
    MtpAcceptance mtp(*decoder, 200, CacheType::f32, threads, best_kernels());
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
      Ids text;
      for (std::uint32_t i = 0; i < 70 + 50 * seed; ++i)
        text.push_back(static_cast<std::int32_t>(philox(seed, {i, 0, 0, 0})[0] % static_cast<std::uint32_t>(columns)));
      const std::vector<std::uint8_t> accepted = mtp.accepted(text);
      const std::vector<float> main = model_test::run(*decoder, text, {});
      const std::vector<float> ahead =
          model_test::run(model_test::WithMtp(*decoder, MtpInput::normed, text), Ids(text.begin(), text.end() - 1), {});
      ASSERT_EQ(accepted.size(), text.size());
      EXPECT_EQ(accepted[0] + accepted[1], 0);
      for (std::size_t i = 2; i < text.size(); ++i, ++all) {
        EXPECT_EQ(accepted[i] != 0, best(ahead, i - 2, columns) == best(main, i - 1, columns)) << i;
        agreed += accepted[i];
      }
    }
  }
  EXPECT_GT(agreed, 0);
  EXPECT_LT(agreed, all);
}

TEST(MtpAcceptance, WhatIsTooLongAndWhatCannotAreRefused) {
  const auto decoder =
      load_decoder(ModelFiles::open(model_path("deepseek_v3")), Precision::exact, 1, {}, {.mtp = true});
  MtpAcceptance mtp(*decoder, 8, CacheType::f32, 1, best_kernels());
  EXPECT_EQ(mtp.accepted(Ids(2, 1)), std::vector<std::uint8_t>(2));
  EXPECT_THROW(mtp.accepted(Ids(9, 1)), Error);
  const auto plain = load_decoder(ModelFiles::open(model_path("llama3")), Precision::exact, 1);
  EXPECT_THROW(MtpAcceptance(*plain, 8, CacheType::f32, 1, best_kernels()), Error);
}

}  // namespace
}  // namespace limpid

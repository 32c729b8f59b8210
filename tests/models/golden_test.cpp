// Every model family against transformers, from safetensors and from the GGUF that llama.cpp's converter makes of them:
// max |difference| / spread of the logits < 1e-4 in exact mode, on a prompt longer than a page and a span.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "golden.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

class GoldenModel : public testing::TestWithParam<std::string> {};

// Largest difference over the golden rows by the spread of the golden's logits.
double error(const Golden& golden, const std::vector<float>& logits) {
  const std::size_t vocabulary = golden.vocabulary();
  const auto [least, most] = std::minmax_element(golden.logits.begin(), golden.logits.end());
  double worst = 0;
  for (std::size_t r = 0; r < golden.rows.size(); ++r)
    for (std::size_t v = 0; v < vocabulary; ++v) {
      const float mine = logits[static_cast<std::size_t>(golden.rows[r]) * vocabulary + v];
      const double difference =
          std::fabs(static_cast<double>(mine) - static_cast<double>(golden.logits[r * vocabulary + v]));
      if (!(difference <= worst)) worst = difference;  // NaN stays
      if (std::isnan(worst)) return worst;
    }
  return worst / (static_cast<double>(*most) - static_cast<double>(*least));
}

TEST_P(GoldenModel, EqualsTransformers) {
  const Golden golden = Golden::read(GetParam());
  const ModelFiles files = ModelFiles::open(model_path(GetParam()));
  const auto model = load_model(files, Precision::exact, 2);
  ASSERT_EQ(static_cast<std::size_t>(model->info().vocabulary), golden.vocabulary());
  ASSERT_GT(golden.ids.size(), 256U);
  for (const int chunk : {0, 96}) {
    const double worst = error(golden, run(*model, golden.ids, {.threads = 2, .chunk = chunk}));
    std::printf("%s, chunks of %d: max |difference| / spread = %.2e\n", GetParam().c_str(), chunk, worst);
    EXPECT_LT(worst, 1e-4) << "chunks of " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenModel,
                         testing::Values("llama3", "llama3.gguf", "llama2_odd", "llama2_odd.gguf", "qwen2",
                                         "qwen2.gguf", "deepseek_v3", "deepseek_v3.gguf", "deepseek_v3_fp8",
                                         "moonlight", "moonlight.gguf", "deepseek_v2_lite", "deepseek_v2_lite.gguf",
                                         "deepseek_v2"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace

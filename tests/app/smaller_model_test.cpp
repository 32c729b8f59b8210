// Memory that is too short: what is said to fit instead.
#include "app/smaller_model.h"

#include <gtest/gtest.h>

#include <limits>

#include "app/built_in.h"
#include "app/interrupt.h"
#include "app/session.h"
#include "base/error.h"
#include "models/decoder.h"
#include "tests/app/tiny_models.h"

using namespace limpid;

namespace {

std::string named(const std::string& architecture, const std::string& name) {
  static const Catalogue catalogue = Catalogue::built_in();
  const CatalogueModel* model = catalogued(catalogue, architecture, {name});
  return model == nullptr ? "" : model->name;
}

const std::string kNano = REPO_DIR "/weights/r1-nano";

Context context() {
  Context out;
  out.options.threads = 1;
  return out;
}

std::string refusal(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::resources) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace

TEST(SmallerModel, AModelOfTheCatalogueIsKnownByItsFile) {
  EXPECT_EQ(named("qwen2", "DeepSeek-R1-Distill-Qwen-7B-Q8_0.gguf"), "r1-distill-qwen-7b");
  EXPECT_EQ(named("qwen2", "DeepSeek R1 Distill Qwen 7B"), "r1-distill-qwen-7b") << "general.name";
  EXPECT_EQ(named("qwen2", "r1-distill-qwen-14b:Q4_K_M"), "r1-distill-qwen-14b") << "a name in the store";
  EXPECT_EQ(named("deepseek_v3", "DeepSeek-R1-UD-IQ1_S-00001-of-00003.gguf"), "r1");
  EXPECT_EQ(named("deepseek_v3", "DeepSeek-V2-Lite-Chat.Q4_K_M.gguf"), "deepseek-v2-lite");
  EXPECT_EQ(named("qwen2", "DeepSeek-R1-Distill-Qwen-72B-Q8_0.gguf"), "") << "not R1, and no distill that it knows";
  EXPECT_EQ(named("llama", "mine.gguf"), "");
}

TEST(SmallerModel, ItsLargestQuantisationThatFits) {
  const Catalogue catalogue = Catalogue::built_in();
  const CatalogueModel& model = *catalogue.find("r1-distill-qwen-7b");
  const CatalogueVariant* all = largest_that_fits(model, std::numeric_limits<std::uint64_t>::max());
  ASSERT_NE(all, nullptr);
  for (const CatalogueVariant& variant : model.variants) EXPECT_LE(variant.bytes, all->bytes);
  const CatalogueVariant* some = largest_that_fits(model, 6'000'000'000);
  ASSERT_NE(some, nullptr);
  EXPECT_EQ(some->quant, "Q4_K_M") << "4.68 GB and a tenth";
  EXPECT_EQ(largest_that_fits(model, 1'000'000'000), nullptr);
}

TEST(SmallerModel, TheErrorNamesTheFileAndWhatWouldFit) {
  const ModelFiles files = open_model(kTinyModels + "llama3.gguf");
  Interrupts interrupts;
  const std::uint64_t far_too_much = std::uint64_t{1} << 60;
  const std::string nothing = refusal(
      [&] { load(open_model(kTinyModels + "llama3.gguf"), Precision::fast, context(), far_too_much, interrupts); });
  EXPECT_NE(nothing.find("llama3.gguf"), std::string::npos) << nothing;
  EXPECT_NE(nothing.find("limpid doctor"), std::string::npos) << nothing;
  RunnerOptions options;
  options.threads = 1;
  options.positions = 1 << 28;
  options.kernels = scalar_kernels();
  const Decoder shape(files.config());
  ASSERT_GT(Runner::bytes(shape, options), available_memory().bytes) << "a cache that no machine of ours has room for";
  const std::string less = refusal([&] {
    load(open_model(kTinyModels + "llama3.gguf"), Precision::fast, context(), Runner::bytes(shape, options), interrupts,
         runner_fits(files.config(), options, "--context"));
  });
  EXPECT_NE(less.find("--context of "), std::string::npos) << less;
  EXPECT_NE(less.find(" tokens would fit"), std::string::npos) << less;
  // And what is said to fit does, one page more does not.
  const std::uint64_t left = 64 << 20;
  const std::string said = runner_fits(files.config(), options, "--context")(left);
  RunnerOptions fits = options;
  fits.positions = std::stoi(said.substr(said.find("of ") + 3));
  EXPECT_LE(Runner::bytes(shape, fits), left) << said;
  fits.positions += 64;
  EXPECT_GT(Runner::bytes(shape, fits), left) << said;
}

TEST(SmallerModel, ASwitchCountsTheMemoryThatWillBeFreed) {
  // So many conversations at a time that their caches need more than there is.
  const int sequences = 1 << 21;
  const std::string alone = refusal([&] { Session::check(kNano, context(), 0, sequences); });
  EXPECT_NE(alone.find("r1-nano"), std::string::npos) << alone;
  EXPECT_EQ(refusal([&] { Session::check(kNano, context(), std::uint64_t{1} << 60, sequences); }), "");
}

TEST(SmallerModel, ExactComputingHasOneCacheType) {
  Options options;
  EXPECT_EQ(cache_type_of(options, Precision::fast), CacheType::f16);
  EXPECT_EQ(cache_type_of(options, Precision::exact), CacheType::f32);
  options.cache = CacheType::q8;
  EXPECT_EQ(cache_type_of(options, Precision::fast), CacheType::q8);
  EXPECT_THROW(cache_type_of(options, Precision::exact), Error);
}

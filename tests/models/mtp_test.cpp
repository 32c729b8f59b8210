// Multi-token prediction against an implementation of the paper in double precision (make_goldens.py), from both formats; one answer; and its tensors are
// checked whether they are loaded or not.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "golden.h"
#include "models/decoder.h"
#include "mtp_model.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

std::vector<float> predict(const Decoder& decoder, MtpInput input, const Ids& text, const HowToRun& how) {
  const WithMtp model(decoder, input, text);
  return run(model, Ids(text.begin(), text.end() - 1), how);
}

std::unique_ptr<Decoder> with_mtp(const std::string& name, Precision precision) {
  return load_decoder(ModelFiles::open(model_path(name)), precision, 1, {}, {.mtp = true});
}

class Mtp : public testing::TestWithParam<std::string> {};

TEST_P(Mtp, IsThePapersFormula) {
  const Golden golden = Golden::read("deepseek_v3");
  const std::size_t columns = golden.vocabulary(), rows = golden.rows.size() - 1;  // nothing follows the last position
  std::vector<float> expected(2 * rows * columns);
  std::ifstream file(model_path("deepseek_v3/golden_mtp.bin"), std::ios::binary);
  file.read(reinterpret_cast<char*>(expected.data()), static_cast<std::streamsize>(expected.size() * sizeof(float)));
  ASSERT_TRUE(file);
  const auto decoder = with_mtp(GetParam(), Precision::exact);
  ASSERT_EQ(decoder->mtp_layers(), 1);
  const auto [least, most] = std::ranges::minmax_element(expected);
  for (const MtpInput input : {MtpInput::normed, MtpInput::raw})
    for (const int chunk : {0, 96}) {
      const std::vector<float> found = predict(*decoder, input, golden.ids, {.threads = 2, .chunk = chunk});
      double worst = 0;
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t v = 0; v < columns; ++v) {
          const double wanted = expected[((input == MtpInput::raw ? rows : 0) + r) * columns + v];
          const double is = found[static_cast<std::size_t>(golden.rows[r]) * columns + v];
          worst = std::isnan(is) ? INFINITY : std::max(worst, std::fabs(is - wanted));
        }
      worst /= *most - *least;
      std::printf("%s, %s: max |difference| / spread = %.2e\n", GetParam().c_str(),
                  input == MtpInput::raw ? "raw" : "normed", worst);
      EXPECT_LT(worst, 1e-4);
    }
}

TEST_P(Mtp, OneAnswer) {
  Ids text = Golden::read("deepseek_v3").ids;
  text.resize(140);
  const auto decoder = with_mtp(GetParam(), Precision::fast);
  const std::vector<float> expected = predict(*decoder, MtpInput::normed, text, {.cache = CacheType::q8});
  for (const int threads : {1, 2, 3})
    for (const int chunk : {1, 7, 64, 65}) {
      if (chunk == 1 && threads != 2) continue;
      const std::vector<float> found =
          predict(*decoder, MtpInput::normed, text, {.cache = CacheType::q8, .threads = threads, .chunk = chunk});
      EXPECT_EQ(std::memcmp(found.data(), expected.data(), expected.size() * sizeof(float)), 0)
          << threads << " threads, chunks of " << chunk;
    }
}

INSTANTIATE_TEST_SUITE_P(Models, Mtp, testing::Values("deepseek_v3", "deepseek_v3_mtp.gguf"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(MtpLoading, TakesMemoryOnlyWhenAskedFor) {
  for (const char* name : {"deepseek_v3", "deepseek_v3_mtp.gguf"}) {
    const ModelFiles files = ModelFiles::open(model_path(name));
    EXPECT_EQ(files.config().mtp_layers, 1);
    EXPECT_TRUE(files.config().mtp_own_embedding && files.config().mtp_own_head);
    EXPECT_GT(packed_model_bytes(files, Precision::fast, {.mtp = true}),
              packed_model_bytes(files, Precision::fast) + 50000);
    const auto decoder = load_decoder(files, Precision::fast, 1);
    const Ids text(3, 1);
    EXPECT_THROW(predict(*decoder, MtpInput::raw, text, {}), Error);
  }
}

// A copy of a tiny model with bytes of its files replaced by as many others.
class Patched {
 public:
  Patched(const std::string& name, const std::string& file, const std::string& from, const std::string& to)
      : directory_(testing::TempDir() + "mtp_" + testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(directory_);
    std::filesystem::copy(model_path(name), directory_);
    std::stringstream all;
    all << std::ifstream(directory_ + "/" + file, std::ios::binary).rdbuf();
    std::string text = all.str();
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    EXPECT_EQ(from.size(), to.size());
    text.replace(at, from.size(), to);
    std::ofstream(directory_ + "/" + file, std::ios::binary) << text;
  }
  ~Patched() { std::filesystem::remove_all(directory_); }
  // What loading says; "" when it loads.
  std::string loads() const {
    try {
      const auto decoder = load_decoder(ModelFiles::open(directory_), Precision::fast, 1);
      EXPECT_EQ(decoder->mtp_layers(), 0);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

 private:
  std::string directory_;
};

TEST(MtpLoading, ChecksShapesOfWhatItDoesNotLoad) {
  const Patched model("deepseek_v3", "model.safetensors",
                      "model.layers.2.eh_proj.weight\":{\"dtype\":\"F32\",\"shape\":[40,80]",
                      "model.layers.2.eh_proj.weight\":{\"dtype\":\"F32\",\"shape\":[80,40]");
  EXPECT_NE(model.loads().find("tensor model.layers.2.eh_proj.weight is (80, 40), the configuration asks for (40, 80)"),
            std::string::npos)
      << model.loads();
}

TEST(MtpLoading, NamesWhatIsMissing) {
  const Patched model("deepseek_v3", "model.safetensors", "model.layers.2.enorm.weight", "model.layers.2.anorm.weight");
  EXPECT_NE(model.loads().find("model.layers.2.enorm.weight"), std::string::npos) << model.loads();
}

TEST(MtpLoading, AFileMayHaveNone) {  // as transformers saves models whose configuration speaks of one
  const Patched model("moonlight", "config.json", "\"num_nextn_predict_layers\": 0", "\"num_nextn_predict_layers\": 1");
  EXPECT_EQ(model.loads(), "");
}

}  // namespace

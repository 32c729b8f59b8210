// A configuration that lies: every number of every tiny model, in both formats, replaced by what no model has. It is refused with an Error that names the
// file, or the model runs; nothing is allocated that the file's size cannot justify, and nothing overflows (the sanitizers' builds).
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "golden.h"
#include "memory_model.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

// While it lives, the process may take 512 MiB more than it has: what asks for more gets std::bad_alloc, which is no Error.
class LittleMemory {
 public:
  LittleMemory() {
    getrlimit(RLIMIT_AS, &before_);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit little = before_;
    little.rlim_cur = pages * 4096 + (rlim_t{512} << 20);
    setrlimit(RLIMIT_AS, &little);
#endif
  }
  ~LittleMemory() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

// Opens and plans; where that goes well, loads and runs a few tokens. The Error's words, or "".
std::string refusal(const MemoryModel& model) {
  try {
    const ModelFiles files = model.files();
    packed_model_bytes(files, Precision::exact, {.mtp = true});
    run(*load_model(files, Precision::fast, 1), {1, 2, 3}, {});
    return "";
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == ErrorKind::input || error.kind() == ErrorKind::unsupported) << error.what();
    EXPECT_NE(std::string(error.what()).find("memory"), std::string::npos) << "no file in: " << error.what();
    return error.what();
  }
}

constexpr const char* kModels[] = {"llama3", "llama2_odd", "qwen2", "deepseek_v3", "moonlight", "deepseek_v2_lite"};

class HostileConfig : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Models, HostileConfig, testing::ValuesIn(kModels),
                         [](const auto& model) { return std::string(model.param); });

TEST_P(HostileConfig, EveryNumberOfAGguf) {
  const LittleMemory little;
  MemoryModel model(model_path(std::string(GetParam()) + ".gguf"));
  struct Place {
    std::string key;
    std::size_t offset;
    GgufType type;
  };
  std::vector<Place> places;
  {
    const GgufFile file = GgufFile::from_memory(model.bytes(), "memory.gguf");
    for (const GgufValue& value : file.values())
      if (!value.is_array &&
          (value.type == GgufType::u32 || value.type == GgufType::i32 || value.type == GgufType::f32))
        places.push_back({std::string(value.key), model.offset_of(value.bytes.data()), value.type});
  }
  ASSERT_GT(places.size(), 8U);
  int refused = 0;
  for (const Place& place : places) {
    const auto with = [&](GgufType type, std::uint32_t bits) {
      unsigned char saved[8];
      std::memcpy(saved, &model.byte(place.offset - 4), 8);
      const auto number = static_cast<std::uint32_t>(type);
      std::memcpy(&model.byte(place.offset - 4), &number, 4);
      std::memcpy(&model.byte(place.offset), &bits, 4);
      SCOPED_TRACE(place.key + " = " + std::to_string(bits));
      refused += !refusal(model).empty();
      std::memcpy(&model.byte(place.offset - 4), saved, 8);
    };
    if (place.type == GgufType::f32) {
      for (const float value : {0.0F, -1.0F, 1e-30F, 1e38F, std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN()})
        with(GgufType::f32, std::bit_cast<std::uint32_t>(value));
    } else {
      for (const std::uint32_t value : {0U, 1U, 3U, 65536U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU}) {
        with(GgufType::u32, value);
        with(GgufType::i32, value);
      }
    }
  }
  EXPECT_GT(refused, 60);
  EXPECT_EQ(refusal(model), "") << "all was put back";
}

// Every number below `json`, replaced in turn.
void each_number(nlohmann::json& json, const std::string& path,
                 const std::function<void(const std::string&, nlohmann::json&)>& act) {
  for (auto& [key, value] : json.items()) {
    if (value.is_object()) each_number(value, path + key + ".", act);
    if (value.is_number()) act(path + key, value);
  }
}

TEST_P(HostileConfig, EveryNumberOfAConfigJson) {
  const LittleMemory little;
  MemoryModel model(model_path(GetParam()));
  nlohmann::json config = nlohmann::json::parse(model.config());
  int refused = 0;
  each_number(config, "", [&](const std::string& key, nlohmann::json& value) {
    const nlohmann::json saved = value;
    for (const char* text :
         {"0", "-1", "1", "3", "65536", "-2147483648", "2147483647", "4294967296", "9223372036854775807",
          "18446744073709551615", "1e300", "-1e300", "1e-300", "0.5", "\"7\"", "[]", "{}", "true"}) {
      value = nlohmann::json::parse(text);
      model.set_config(config.dump());
      SCOPED_TRACE(key + " = " + text);
      refused += !refusal(model).empty();
    }
    value = saved;
  });
  EXPECT_GT(refused, 100);
  model.set_config(config.dump());
  EXPECT_EQ(refusal(model), "");
}

TEST(HostileConfigs, HeadsAndLayersThatNoTensorHas) {
  const LittleMemory little;
  MemoryModel model(model_path("moonlight.gguf"));
  const auto put = [&](std::string_view key, std::uint32_t value) { std::memcpy(model.value(key), &value, 4); };
  put("deepseek2.block_count", 4096);
  put("deepseek2.attention.head_count", 65536);
  const std::string message = refusal(model);
  EXPECT_NE(message.find("blk.0.attn_q.weight"), std::string::npos) << message;
  EXPECT_NE(message.find("1703936"), std::string::npos) << message;  // 65536 heads of 26
  put("deepseek2.attention.head_count", 3);
  EXPECT_NE(refusal(model).find("blk.3.attn_q.weight"), std::string::npos) << refusal(model);
  put("deepseek2.block_count", 3);
  put("deepseek2.expert_count", 65536);
  EXPECT_NE(refusal(model).find("ffn_gate_inp.weight is (6, 40), the configuration asks for (65536, 40)"),
            std::string::npos)
      << refusal(model);
  put("deepseek2.expert_count", 6);
  EXPECT_EQ(refusal(model), "");
}

struct Wrong {
  const char* model;
  const char* key;    // of a config.json: a JSON pointer
  const char* value;  // JSON
  const char* expected;
  const char* kind = nullptr;  // rope_type, where it must be another
};

TEST(HostileConfigs, RotationThatCannotBeIsRefusedWithItsKeyAndBothValues) {
  constexpr Wrong kWrong[] = {
      {"llama3", "/head_dim", "15", "config.json: key 'head_dim': expected an even number, found 15"},
      {"deepseek_v3", "/qk_rope_head_dim", "7",
       "config.json: key 'qk_rope_head_dim': expected an even number, found 7"},
      {"llama3", "/rope_theta", "0", "key 'rope_theta': expected a number from 1 to 1000000000000000, found 0"},
      {"llama3", "/rope_scaling/high_freq_factor", "1",
       "key 'rope_scaling.high_freq_factor': expected above low_freq_factor, 1, found 1"},
      {"llama3", "/rope_scaling/low_freq_factor", "0",
       "key 'rope_scaling.low_freq_factor': expected a number from 1e-06 to 1000000, found 0"},
      {"llama3", "/rope_scaling/original_max_position_embeddings", "0",
       "key 'rope_scaling.original_max_position_embeddings': expected an integer from 1 to 134217728, found 0"},
      {"llama3", "/rope_scaling/factor", "-8",
       "key 'rope_scaling.factor': expected a number from 1e-06 to 1000000, found -8"},
      {"llama3", "/rope_scaling/rope_type", "\"wide\"",
       "key 'rope_scaling.rope_type': expected none, linear, llama3 or yarn, found 'wide'"},
      {"llama3", "/rope_scaling/beta_fast", "0",
       "key 'rope_scaling.beta_fast': expected a number from 1e-06 to 1000000, found 0", "yarn"},
      {"llama3", "/rope_scaling/beta_slow", "64",
       "key 'rope_scaling.beta_fast': expected at least beta_slow, 64, found 32", "yarn"},
      {"llama3", "/rope_theta", "1", "key 'rope_theta': expected a number above 1 (YaRN), found 1", "yarn"},
      {"llama3", "/rope_scaling/mscale", "-1", "key 'rope_scaling.mscale': expected a number from 0 to 1000, found -1",
       "yarn"},
      {"llama3", "/num_key_value_heads", "4", "key 'num_key_value_heads': expected a divisor of the 6 heads, found 4"},
      {"deepseek_v3", "/qk_rope_head_dim", "0", "key 'qk_rope_head_dim': expected an integer from 2 to 65536, found 0"},
  };
  for (const Wrong& wrong : kWrong) {
    MemoryModel model(model_path(wrong.model));
    nlohmann::json config = nlohmann::json::parse(model.config());
    if (wrong.kind != nullptr) config["rope_scaling"]["rope_type"] = wrong.kind;
    config[nlohmann::json::json_pointer(wrong.key)] = nlohmann::json::parse(wrong.value);
    model.set_config(config.dump());
    EXPECT_NE(refusal(model).find(wrong.expected), std::string::npos) << wrong.key << ": " << refusal(model);
  }
}

TEST(HostileConfigs, MoreRotationThanAHeadHas) {
  MemoryModel model(model_path("llama2_odd.gguf"));  // heads of 10
  const auto put = [&](std::string_view key, std::uint32_t value) { std::memcpy(model.value(key), &value, 4); };
  put("llama.rope.dimension_count", 16);
  EXPECT_NE(refusal(model).find("memory.gguf: key 'llama.rope.dimension_count': expected an integer from 2 to 10 (a "
                                "head has 10 values), found 16"),
            std::string::npos)
      << refusal(model);
  put("llama.rope.dimension_count", 0xFFFFFFF6U);
  EXPECT_NE(
      refusal(model).find("key 'llama.rope.dimension_count': expected an integer from 2 to 65536, found 4294967286"),
      std::string::npos)
      << refusal(model);
}

TEST(HostileConfigs, DifferencesThatWouldBeNegative) {
  MemoryModel model(model_path("deepseek_v3_mtp.gguf"));
  const auto put = [&](std::string_view key, std::uint32_t value) {
    std::uint32_t before = 0;
    std::memcpy(&before, model.value(key), 4);
    std::memcpy(model.value(key), &value, 4);
    return before;
  };
  const std::uint32_t layers = put("deepseek2.nextn_predict_layers", 9);
  EXPECT_NE(refusal(model).find("key 'deepseek2.nextn_predict_layers': expected an integer from 0 to"),
            std::string::npos)
      << refusal(model);
  put("deepseek2.nextn_predict_layers", layers);
  const char* key = GgufFile::from_memory(model.bytes(), "x").has("deepseek2.attention.key_length_mla")
                        ? "deepseek2.attention.key_length_mla"
                        : "deepseek2.attention.key_length";
  put(key, 2);
  EXPECT_NE(refusal(model).find("': expected an integer from"), std::string::npos) << refusal(model);
}

}  // namespace

// A model inside a program: read from memory it is what it is on disk. And which published models suit which machine.
#include "app/built_in.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "app/model_choice.h"
#include "base/error.h"
#include "models/load.h"
#include "models/packing_plan.h"

namespace limpid {

MemoryFiles embedded_test_model();  // tests/models/data/deepseek_v3, by limpid_embed

namespace {

TEST(BuiltIn, AModelInMemoryIsTheOneOnDisk) {
  const ModelFiles inside = ModelFiles::from_memory("inside", embedded_test_model());
  const ModelFiles outside = ModelFiles::open(std::string(REPO_DIR) + "/tests/models/data/deepseek_v3");
  EXPECT_EQ(inside.path(), "inside");
  ASSERT_EQ(inside.weights().weights().size(), outside.weights().weights().size());
  for (const Weight& weight : outside.weights().weights())
    EXPECT_EQ(decode_all(weight), decode_all(inside.weights().at(weight.name))) << weight.name;
  EXPECT_EQ(inside.config().mtp_layers, outside.config().mtp_layers);
  EXPECT_EQ(inside.end_ids(), outside.end_ids());
  EXPECT_FALSE(inside.has_tokenizer());
  EXPECT_EQ(load_model(inside, Precision::exact, 1)->info().fingerprint,
            load_model(outside, Precision::exact, 1)->info().fingerprint);
}

TEST(BuiltIn, WhatIsMissingInMemoryIsNamed) {
  MemoryFiles files = embedded_test_model();
  files.erase("model.safetensors");
  try {
    ModelFiles::from_memory("inside", files);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("inside: expected model.safetensors"), std::string::npos) << error.what();
  }
  EXPECT_THROW(ModelFiles::from_memory("inside", {}), Error);
}

TEST(BuiltIn, ItsNameMeansItOrSaysThatItIsNotThere) {
  EXPECT_FALSE(means_built_in("r1-distill-qwen-7b"));
  if (built_in_files())
    EXPECT_TRUE(means_built_in("R1-Nano"));
  else
    EXPECT_THROW(means_built_in("r1-nano"), Error);
  std::FILE* pipe =
      popen((std::string("LIMPID_HOME=/nowhere/at/all ") + LIMPID_BINARY + " models --json").c_str(), "r");
  std::string listed(1 << 16, 0);
  listed.resize(std::fread(listed.data(), 1, listed.size(), pipe));
  EXPECT_EQ(pclose(pipe), 0);
  EXPECT_EQ(listed.find("built_in") != std::string::npos, built_in_files().has_value());
  for (const char* words : {"4.9 million", "knows nothing of the world", "What is 347 + 895?", "3、7、8 怎样凑成 29？"})
    EXPECT_NE(built_in_introduction(4'900'000).find(words), std::string::npos) << words;
}

TEST(ModelChoice, TheBestThatRunsWellComesFirst) {
  const Catalogue catalogue = Catalogue::built_in();
  const auto names = [&](const MachineFacts& machine) {
    std::vector<std::string> out;
    for (const ModelChoice& choice : choose_models(catalogue, {}, machine))
      out.push_back(choice.name.substr(0, choice.name.find(':')));
    return out;
  };
  using Names = std::vector<std::string>;
  constexpr std::uint64_t kGB = 1'000'000'000;
  EXPECT_EQ(names({kGB, 100 * kGB, 50e9}), Names{});
  EXPECT_EQ(names({4 * kGB, 100 * kGB, 50e9}), Names{"r1-distill-qwen-1.5b"});
  EXPECT_EQ(names({8 * kGB, 2 * kGB, 50e9}), Names{"r1-distill-qwen-1.5b"}) << "the disk";
  // 50 GB/s: 9.1 tokens/s of the 7B, 4.7 of the 14B, which is there for who has time.
  EXPECT_EQ(names({16 * kGB, 100 * kGB, 50e9}),
            (Names{"r1-distill-qwen-7b", "r1-distill-qwen-14b", "r1-distill-llama-8b", "r1-distill-qwen-1.5b"}));
  EXPECT_EQ(names({64 * kGB, 100 * kGB, 500e9}).front(), "r1-distill-qwen-32b");
  // On a slow machine the fastest, not the best.
  EXPECT_EQ(names({16 * kGB, 100 * kGB, 4e9}).front(), "r1-distill-qwen-1.5b");
  EXPECT_EQ(names({1000 * kGB, 1000 * kGB, 500e9}).front(), "r1") << "37 of 671 billion parameters a token";
}

TEST(ModelChoice, OfAModelThatDoesNotFitTheSmallestIsListed) {
  const Catalogue catalogue = Catalogue::built_in();
  const auto listed = [&](const char* model, std::uint64_t memory) {
    std::vector<std::string> out;
    for (const CatalogueVariant* variant : listed_variants(*catalogue.find(model), memory))
      out.push_back(variant->quant);
    return out;
  };
  using Quants = std::vector<std::string>;
  constexpr std::uint64_t kGB = 1'000'000'000;
  EXPECT_EQ(listed("r1", 8 * kGB), (Quants{"Q4_K_M", "UD-IQ1_S"}));
  EXPECT_EQ(listed("r1", 180 * kGB), (Quants{"Q4_K_M", "UD-IQ1_M"})) << "the largest that fits";
  EXPECT_EQ(listed("v3", 8 * kGB), Quants{"Q4_K_M"}) << "it is the smallest";
  EXPECT_EQ(listed("smollm2-1.7b", kGB), Quants{"BF16"}) << "nobody published the size of the preferred one";
  EXPECT_EQ(memory_needed(131 * kGB), 144'100'000'000u);
}

TEST(ModelChoice, SaysWhatIsKnownOfAModel) {
  const MachineFacts machine{8'000'000'000, 1, 50e9};  // no disk: only what is here
  const std::vector<ModelChoice> choices = choose_models(Catalogue::built_in(), {"R1-Distill-Qwen-7B:q4_k_m"}, machine);
  ASSERT_EQ(choices.size(), 1u);
  EXPECT_EQ(choices[0].name, "r1-distill-qwen-7b:Q4_K_M");
  EXPECT_TRUE(choices[0].here);
  EXPECT_TRUE(choices[0].exact);
  EXPECT_EQ(choices[0].bytes, 4'683'073'248u);
  EXPECT_DOUBLE_EQ(choices[0].aime, 55.5);
  EXPECT_FALSE(choices[0].good_at.empty());
  EXPECT_NEAR(choices[0].tokens_per_second, 0.85 * 50e9 / 4'683'073'248.0, 1e-9);
}

}  // namespace
}  // namespace limpid

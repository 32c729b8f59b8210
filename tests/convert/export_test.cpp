// Exported models: the same values where the other format wants them, held against files that others made; the same
// logits when they are loaded again; the same ids. tests/convert/check_export.py compares with transformers and llama.cpp.
#include "convert/export.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "convert/export_config.h"
#include "convert/export_tokenizer.h"
#include "formats/gguf.h"
#include "formats/json.h"
#include "models/packing_plan.h"
#include "tests/models/run_forward.h"
#include "text/tokenizer.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;
using model_test::Forward;
using model_test::Ids;

const std::string kModels = std::string(REPO_DIR) + "/tests/models/data/";
const std::string kTokenizers = std::string(REPO_DIR) + "/tests/text/data/tokenizer/";

struct Export : testing::Test {
  Export() : folder(fs::temp_directory_path() / ("limpid-export-" + std::to_string(getpid()))) {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  ~Export() override { fs::remove_all(folder); }
  std::string at(const std::string& name) const { return (folder / name).string(); }
  fs::path folder;
};

ExportResult write(const std::string& from, const std::string& to, ExportFormat format, std::optional<DType> type = {},
                   bool mtp = true) {
  ExportOptions options;
  options.to = format;
  options.type = type;
  options.mtp = mtp;
  return export_model(ModelFiles::open(from), to, options);
}

std::vector<float> logits(const std::string& path) {
  const ModelFiles files = ModelFiles::open(path);
  const auto model = load_model(files, Precision::exact, 1);
  const Ids ids = {1, 5, 9, 30, 2, 2, 60, 17, 44, 3, 8, 21};
  return Forward(*model, {}, ids.size()).logits(ids);
}

// Every tensor of one in the other with equal values, and no other.
void expect_equal_weights(const std::string& a, const std::string& b) {
  const ModelFiles left = ModelFiles::open(a), right = ModelFiles::open(b);
  std::size_t compared = 0;
  for (const Weight& weight : left.weights().weights()) {
    const Weight* other = right.weights().find(weight.name);
    ASSERT_NE(other, nullptr) << weight.name << " is not in " << b;
    EXPECT_EQ(weight.shape, other->shape) << weight.name;
    EXPECT_EQ(decode_all(weight), decode_all(*other)) << weight.name;
    ++compared;
  }
  EXPECT_EQ(compared, right.weights().weights().size());
}

std::string error_of(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(Export, EveryTensorLiesWhereOtherConvertersPutIt) {
  // The GGUF files of tests/models were written by tests/models/make_goldens.py from the safetensors beside them.
  for (const char* name : {"deepseek_v3", "deepseek_v2_lite", "moonlight", "llama2_odd", "llama3", "qwen2"}) {
    SCOPED_TRACE(name);
    const std::string gguf = at(std::string(name) + ".gguf"), back = at(name);
    write(kModels + name, gguf, ExportFormat::gguf, DType::f32, false);
    expect_equal_weights(gguf, kModels + name + ".gguf");
    if (std::string_view(name) == "llama3")
      continue;  // its scaling of RoPE is none that config.json can be guessed for
    write(kModels + name + ".gguf", back, ExportFormat::safetensors, DType::f32);
    ExportOptions plain;  // the original in the same writing: without its MTP layer, which those GGUF files lack
    plain.mtp = false;
    export_model(ModelFiles::open(kModels + name), at(std::string(name) + "-again"), plain);
    expect_equal_weights(back, at(std::string(name) + "-again"));
  }
}

TEST_F(Export, LogitsAreEqualToTheBitThereAndBack) {
  for (const char* name : {"deepseek_v3", "deepseek_v2_lite", "moonlight", "llama2_odd", "qwen2"}) {
    SCOPED_TRACE(name);
    const std::string there = at(std::string(name) + ".gguf"), back = at(name),
                      again = at(std::string(name) + "2.gguf");
    const std::vector<float> expected = logits(kModels + name);
    write(kModels + name, there, ExportFormat::gguf, DType::f32);
    write(there, back, ExportFormat::safetensors);
    write(back, again, ExportFormat::gguf);
    EXPECT_EQ(logits(back), expected);
    EXPECT_EQ(logits(again), logits(there));
    expect_equal_weights(there, again);
    // A llama's rows of q and k lie otherwise in GGUF, so that sums have another order there, and GGUF keeps YaRN's
    // factor times 0.1 in f32. The others' are equal.
    const std::vector<float> in_gguf = logits(there);
    if (std::string_view(name).starts_with("llama") || ModelFiles::open(there).config().rope.scaling == "yarn")
      for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(in_gguf[i], expected[i], 1e-4) << i;
    else
      EXPECT_EQ(in_gguf, expected);
  }
}

TEST_F(Export, TheMtpLayerGoesAlongOrStaysBehind) {
  write(kModels + "deepseek_v3", at("with.gguf"), ExportFormat::gguf);
  write(kModels + "deepseek_v3", at("without.gguf"), ExportFormat::gguf, {}, false);
  const ModelFiles with = ModelFiles::open(at("with.gguf")), without = ModelFiles::open(at("without.gguf"));
  EXPECT_EQ(with.config().mtp_layers, 1);
  EXPECT_NE(with.weights().find("blk.2.nextn.eh_proj.weight"), nullptr);
  EXPECT_EQ(with.gguf()->get<int>("deepseek2.block_count"), 3);
  EXPECT_EQ(without.config().mtp_layers, 0);
  EXPECT_EQ(without.gguf()->get<int>("deepseek2.block_count"), 2);
  write(at("with.gguf"), at("back"), ExportFormat::safetensors);
  EXPECT_NE(ModelFiles::open(at("back")).weights().find("model.layers.2.eh_proj.weight"), nullptr);
}

TEST_F(Export, Fp8IsDecodedWithItsFactors) {
  const ExportResult result = write(kModels + "deepseek_v3_fp8", at("wide"), ExportFormat::safetensors);
  EXPECT_EQ(result.type, DType::bf16);
  write(kModels + "deepseek_v3_fp8", at("exact"), ExportFormat::safetensors, DType::f32);
  EXPECT_EQ(logits(at("exact")), logits(kModels + "deepseek_v3_fp8"));
}

TEST_F(Export, TypesAreThoseThatWereAskedFor) {
  const ExportResult q8 = write(kModels + "llama3", at("q8.gguf"), ExportFormat::gguf, DType::q8_0);
  const GgufFile file(at("q8.gguf"));
  std::size_t in_f16 = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    const bool matrix = tensor.rank > 1;
    const bool fits = tensor.dims[0] % 32 == 0;
    EXPECT_EQ(tensor.type, !matrix ? DType::f32 : fits ? DType::q8_0 : DType::f16) << tensor.name;
    in_f16 += matrix && !fits;
  }
  EXPECT_EQ(q8.kept.size(), in_f16);
  write(kModels + "deepseek_v3", at("bf16"), ExportFormat::safetensors, DType::bf16);
  const ModelFiles rounded = ModelFiles::open(at("bf16"));
  for (const Weight& weight : rounded.weights().weights())
    EXPECT_EQ(weight.type, weight.name.ends_with("e_score_correction_bias") ? DType::f32 : DType::bf16) << weight.name;
  write(kModels + "deepseek_v3", at("bf16.gguf"), ExportFormat::gguf, DType::bf16);
  const ModelFiles mixed = ModelFiles::open(at("bf16.gguf"));
  EXPECT_EQ(mixed.weights().at("blk.1.ffn_gate_inp.weight").type, DType::f32);
  EXPECT_EQ(mixed.weights().at("blk.1.ffn_gate_exps.weight").type, DType::bf16);
}

TEST_F(Export, LargeModelsComeInShards) {
  ExportOptions options;
  options.shard_bytes = 20000;
  export_model(ModelFiles::open(kModels + "deepseek_v3"), at("shards"), options);
  EXPECT_TRUE(fs::exists(folder / "shards/model.safetensors.index.json"));
  EXPECT_FALSE(fs::exists(folder / "shards/model.safetensors"));
  EXPECT_EQ(logits(at("shards")), logits(kModels + "deepseek_v3"));
}

TEST_F(Export, WhatIsStoppedLeavesNoWeights) {
  ExportOptions options;
  options.shard_bytes = 20000;
  std::uint64_t first = 1, shards = 0;
  const auto stop_late = [&](std::uint64_t done, std::uint64_t total) {
    if (first == 1) first = done;
    shards = 0;
    for (const auto& entry : fs::directory_iterator(folder / "stopped"))
      shards += entry.path().extension() == ".safetensors";
    if (done > total / 2) fail(ErrorKind::cancelled, "enough");
  };
  EXPECT_THROW(export_model(ModelFiles::open(kModels + "deepseek_v3"), at("stopped"), options, stop_late), Error);
  EXPECT_EQ(first, 0u) << "the size is said before a byte is written";
  EXPECT_GT(shards, 0u) << "some were whole already";
  EXPECT_TRUE(fs::is_empty(folder / "stopped"));
  export_model(ModelFiles::open(kModels + "deepseek_v3"), at("stopped"),
               options);  // and the way is free for another try
  EXPECT_EQ(logits(at("stopped")), logits(kModels + "deepseek_v3"));
  options.to = ExportFormat::gguf;
  const auto at_once = [](std::uint64_t, std::uint64_t) { fail(ErrorKind::cancelled, "enough"); };
  EXPECT_THROW(export_model(ModelFiles::open(kModels + "deepseek_v3"), at("stopped.gguf"), options, at_once), Error);
  for (const auto& entry : fs::directory_iterator(folder))
    EXPECT_EQ(entry.path().filename().string().find("stopped.gguf"), std::string::npos) << entry.path();
}

TEST_F(Export, ConfigurationsSayWhatTransformersReads) {
  write(kModels + "llama3", at("llama"), ExportFormat::safetensors);
  const nlohmann::json llama = read_json(at("llama/config.json")), source = read_json(kModels + "llama3/config.json");
  EXPECT_EQ(llama["architectures"], nlohmann::json::array({"LlamaForCausalLM"}));
  for (const char* key :
       {"hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim", "tie_word_embeddings", "vocab_size"})
    EXPECT_EQ(llama[key], source[key]) << key;
}

TEST_F(Export, LlamasScalingOfRopeIsKnownAgainByWhatItDoes) {
  // A GGUF keeps a divisor for each frequency; the four numbers behind it are those that Llama 3 was published with.
  for (const double factor : {8.0, 32.0}) {
    const fs::path model = folder / fmt::format("llama-{}", factor);
    fs::create_directories(model);
    nlohmann::json config = read_json(kModels + "llama3/config.json");
    config["rope_theta"] = 500000.0;
    config.erase("rope_parameters");
    config["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", factor},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", 8192}};
    std::ofstream(model / "config.json") << config.dump();
    fs::copy(kModels + "llama3/model.safetensors", model);
    const std::string gguf = model.string() + ".gguf", back = model.string() + "-back";
    write(model, gguf, ExportFormat::gguf);
    write(gguf, back, ExportFormat::safetensors);
    EXPECT_EQ(read_json(back + "/config.json")["rope_scaling"], config["rope_scaling"]);
    EXPECT_EQ(logits(back), logits(model));
  }
  EXPECT_NE(error_of([&] {
              write(kModels + "llama3.gguf", at("x"), ExportFormat::safetensors);
            }).find("rope_freqs.weight is not that of"),
            std::string::npos);
}

TEST_F(Export, WhatCannotBeWrittenIsNamed) {
  write(kModels + "qwen2", at("once"), ExportFormat::safetensors);
  EXPECT_NE(error_of([&] {
              write(kModels + "qwen2", at("once"), ExportFormat::safetensors);
            }).find("there is a model.safetensors already"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              write(kModels + "qwen2", at("x"), ExportFormat::safetensors, DType::q8_0);
            }).find("expected F32, BF16 or F16"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(at("x")));
  EXPECT_NE(error_of([&] { write(kModels + "qwen2", at("missing/x.gguf"), ExportFormat::gguf); }).find("missing"),
            std::string::npos);
}

// Ids of texts in both languages, with marks, digits and odd spaces.
std::vector<std::vector<TokenId>> ids_of(const Tokenizer& tokenizer) {
  std::vector<std::vector<TokenId>> out;
  for (const char* text :
       {"What is 347 + 895?", "3、7、8 怎样凑成 29？", " two  spaces\n\n and\ttabs ", "don't WE'LL 12345 1,000.5",
        "小明比小红高", "e\xCC\x81 é \xF0\x9F\x98\x80 \xFF", "<|im_end|> <think>"})
    for (const bool special : {false, true}) out.push_back(tokenizer.encode(text, {.special = special}));
  return out;
}

TEST_F(Export, TokenizersGiveTheSameIdsThereAndBack) {
  for (const char* name :
       {"deepseek-v3", "deepseek-llm", "deepseek-coder", "gpt-2", "kimi-k2", "llama-bpe", "qwen2", "smollm"}) {
    SCOPED_TRACE(name);
    const std::string path = kTokenizers + name + ".json";
    const Tokenizer original = Tokenizer::open(path);
    const nlohmann::json root = read_json(path);
    const TokenizerSpec spec = read_tokenizer_json(root, {}, path);
    {
      GgufWriter out(at("tokenizer.gguf"));
      set_tokenizer_keys(out, spec, static_cast<int>(original.vocabulary_size()) + 3, "{{ messages }}");
      out.finish();
    }
    const GgufFile gguf(at("tokenizer.gguf"));
    const Tokenizer there = Tokenizer::from_gguf(gguf);
    EXPECT_EQ(there.vocabulary_size(), original.vocabulary_size() + 3);
    EXPECT_EQ(ids_of(there), ids_of(original));
    const std::string text =
        tokenizer_json_of(read_tokenizer_gguf(gguf), gguf.get<std::string>("tokenizer.ggml.pre")).dump();
    const Tokenizer back = Tokenizer::from_json(std::as_bytes(std::span(text)), {}, "written");
    EXPECT_EQ(ids_of(back), ids_of(original));
  }
}

TEST_F(Export, TokenizersThatAGgufCannotSayAreRefused) {
  const std::string path = kTokenizers + "llama2.json";
  const nlohmann::json root = read_json(path);
  const TokenizerSpec spec = read_tokenizer_json(root, {}, path);
  GgufWriter out(at("x.gguf"));
  EXPECT_NE(error_of([&] { set_tokenizer_keys(out, spec, 1 << 20, ""); }).find("byte-level BPE"), std::string::npos);
  // Single digits are DeepSeek-V3's rule only as long as no token holds two.
  nlohmann::json v3 = read_json(kTokenizers + "deepseek-v3.json");
  v3["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = R"(\p{N})";
  const TokenizerSpec digits = read_tokenizer_json(v3, {}, "digits");
  const bool pairs = std::ranges::any_of(digits.tokens, [](const std::string& t) { return t == "12"; });
  EXPECT_EQ(error_of([&] {
              GgufWriter one(at("y.gguf"));
              set_tokenizer_keys(one, digits, 1 << 20, "");
            }) == "no error",
            !pairs);
}

}  // namespace
}  // namespace limpid

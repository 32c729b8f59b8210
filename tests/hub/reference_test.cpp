#include "hub/reference.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hub/catalogue.h"

using namespace limpid;

namespace {

std::vector<RemoteFile> files(const std::vector<std::string>& paths) {
  std::vector<RemoteFile> out;
  for (const std::string& path : paths) out.push_back({path, 10, "", ""});
  return out;
}

std::vector<std::string> chosen(const std::vector<std::string>& paths, const std::string& variant) {
  std::vector<std::string> out;
  for (const RemoteFile& file : select_files("o/r", files(paths), variant).files) out.push_back(file.path);
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST(Reference, Parses) {
  const Reference plain = parse_reference("r1-distill-qwen-1.5b:Q4_K_M");
  EXPECT_FALSE(plain.hub);
  EXPECT_EQ(plain.name, "r1-distill-qwen-1.5b");
  EXPECT_EQ(plain.variant, "Q4_K_M");
  const Reference hub = parse_reference("hf:owner/some.repo@refs/pr/1:dir/file.gguf");
  EXPECT_TRUE(hub.hub);
  EXPECT_EQ(hub.name, "owner/some.repo");
  EXPECT_EQ(hub.revision, "refs/pr/1");
  EXPECT_EQ(hub.variant, "dir/file.gguf");
  EXPECT_EQ(parse_reference("hf:a/b").revision, "main");
  for (const char* bad :
       {"", "a/b", "hf:", "hf:a", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b@", "name:", "na me", "hf:a/b?x"})
    EXPECT_THROW(parse_reference(bad), Error) << bad;
  EXPECT_THROW(parse_reference(std::string(10'000, 'a')), Error);
}

TEST(Reference, ARepositoryWithoutItsPrefixIsRecognised) {
  const auto message = [](const std::string& text) {
    try {
      parse_reference(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("taken");
  };
  const std::string meant = "; did you mean hf:unsloth/DeepSeek-R1-GGUF";
  for (const char* text : {"unsloth/DeepSeek-R1-GGUF", "https://huggingface.co/unsloth/DeepSeek-R1-GGUF",
                           "https://huggingface.co/unsloth/DeepSeek-R1-GGUF/",
                           "https://huggingface.co/unsloth/DeepSeek-R1-GGUF/tree/main/UD-IQ1_S?x=1",
                           "huggingface.co/unsloth/DeepSeek-R1-GGUF", "https://hf.co/unsloth/DeepSeek-R1-GGUF#files"})
    EXPECT_TRUE(message(text).ends_with(meant + "?")) << message(text);
  EXPECT_TRUE(message("unsloth/DeepSeek-R1-GGUF:UD-IQ1_S").ends_with(meant + ":UD-IQ1_S?"));
  for (const char* text : {"a/b/c", "../b", "https://example.com/a", "https://huggingface.co/",
                           "https://huggingface.co/a", "https://huggingface.co/datasets/a/b", "na me", "https://"}) {
    EXPECT_NE(message(text).find("expected"), std::string::npos) << text;
    EXPECT_EQ(message(text).find("did you mean"), std::string::npos) << message(text);
  }
}

TEST(Reference, QuantOfAFileName) {
  EXPECT_EQ(quant_of("DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf"), "Q4_K_M");
  EXPECT_EQ(quant_of("SmolLM2-135M-Instruct.Q4_1.gguf"), "Q4_1");
  EXPECT_EQ(quant_of("smollm2-1.7b-instruct-q4_k_m.gguf"), "Q4_K_M");
  EXPECT_EQ(quant_of("DeepSeek-R1-UD-IQ1_S/DeepSeek-R1-UD-IQ1_S-00002-of-00003.gguf"), "UD-IQ1_S");
  EXPECT_EQ(quant_of("model-f16.gguf"), "F16");
  EXPECT_EQ(quant_of("x-BF16-00001-of-00002.gguf"), "BF16");
  EXPECT_EQ(quant_of("Q8-chat.gguf"), "Q8");
  EXPECT_EQ(quant_of("plain.gguf"), "");
  EXPECT_EQ(quant_of(".gguf"), "");
}

TEST(Reference, SelectsOneModel) {
  const Names repository = {"README.md",
                            "m-Q4_K_M.gguf",
                            "m-Q8_0.gguf",
                            "mmproj-F16.gguf",
                            "big/m-Q6_K-00001-of-00002.gguf",
                            "big/m-Q6_K-00002-of-00002.gguf"};
  EXPECT_EQ(chosen(repository, "q8_0"), Names{"m-Q8_0.gguf"});
  EXPECT_EQ(chosen(repository, "m-Q8_0.gguf"), Names{"m-Q8_0.gguf"});
  EXPECT_EQ(chosen(repository, ""), Names{"m-Q4_K_M.gguf"}) << "the usual choice when nothing is said";
  const Names parts = {"big/m-Q6_K-00001-of-00002.gguf", "big/m-Q6_K-00002-of-00002.gguf"};
  EXPECT_EQ(chosen(repository, "Q6_K"), parts);
  EXPECT_EQ(chosen(repository, "big/m-Q6_K-00001-of-00002.gguf"), parts);
  EXPECT_EQ(chosen({"only.gguf"}, ""), Names{"only.gguf"});
}

TEST(Reference, SelectionErrorsSayWhatThereIs) {
  try {
    chosen({"m-Q4_0.gguf", "m-Q8_0.gguf"}, "Q5_K");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_NE(std::string(error.what()).find("Q4_0, Q8_0"), std::string::npos) << error.what();
  }
  EXPECT_THROW(chosen({"a-Q8_0.gguf", "b-Q8_0.gguf"}, "Q8_0"), Error) << "two models";
  EXPECT_THROW(chosen({"m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf"}, "Q8_0"), Error)
      << "a part is missing";
  EXPECT_THROW(chosen({"README.md"}, ""), Error);
  for (const char* bad : {"../../x.gguf", "/etc/x.gguf", "a//x.gguf", "a/./x.gguf", "a\\x.gguf", "x\n.gguf"})
    EXPECT_THROW(chosen({bad}, ""), Error) << bad;
}

TEST(Reference, SafetensorsComeWithTheirConfiguration) {
  const Names repository = {"config.json",
                            "model-00001-of-00002.safetensors",
                            "model-00002-of-00002.safetensors",
                            "model.safetensors.index.json",
                            "original/consolidated.safetensors",
                            "pytorch_model.bin",
                            "tokenizer.json",
                            "x.pdf"};
  const Names wanted = {"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                        "model.safetensors.index.json", "tokenizer.json"};
  EXPECT_EQ(chosen(repository, ""), wanted);
  EXPECT_TRUE(select_files("o/r", files(repository), "").directory);
  EXPECT_THROW(chosen({"model.safetensors"}, ""), Error) << "no config.json";
}

TEST(Catalogue, BuiltInIsSound) {
  const Catalogue catalogue = Catalogue::built_in();
  for (const char* name : {"r1-distill-qwen-1.5b", "r1-distill-qwen-7b", "r1-distill-llama-8b", "r1-distill-qwen-14b",
                           "r1-distill-qwen-32b", "r1-distill-llama-70b", "moonlight-16b-a3b", "deepseek-v2-lite", "v3",
                           "r1", "smollm2-135m"})
    EXPECT_NE(catalogue.find(name), nullptr) << name;
  for (const CatalogueModel& model : catalogue.models()) {
    EXPECT_GE(model.parameters, model.active_parameters) << model.name;
    for (const CatalogueVariant& variant : model.variants) {
      const std::string name = model.name + ":" + variant.quant;
      EXPECT_NO_THROW(parse_reference(name)) << name;
      EXPECT_NO_THROW(parse_reference("hf:" + variant.repository)) << name;
      for (const CatalogueFile& file : variant.files) {
        EXPECT_TRUE(equal_ignoring_case(quant_of(file.path), variant.quant)) << name << " " << file.path;
        EXPECT_TRUE(file.sha256.empty() || file.sha256.find_first_not_of("0123456789abcdef") == std::string::npos)
            << name;
      }
      if (!variant.files.empty()) {  // what the catalogue names is what the listing's rule would choose: parts
                                     // complete, one model
        std::vector<RemoteFile> listed;
        for (const CatalogueFile& file : variant.files) listed.push_back({file.path, 1, "", ""});
        EXPECT_EQ(select_files(name, listed, variant.quant).files.size(), variant.files.size()) << name;
      }
      if (variant.bytes > 0 && model.parameters > 0) {
        const double bits = 8.0 * static_cast<double>(variant.bytes) / static_cast<double>(model.parameters);
        EXPECT_GT(bits, 1.4) << name;
        EXPECT_LT(bits, 16.1) << name;
      }
    }
  }
}

TEST(Catalogue, RefusesNonsense) {
  EXPECT_THROW(Catalogue("{"), Error);
  EXPECT_THROW(Catalogue("[]"), Error);
  EXPECT_THROW(Catalogue(R"({"models": [{"name": "x"}]})"), Error);
  EXPECT_THROW(
      Catalogue(
          R"({"models": [{"name": "x", "title": "", "architecture": "", "parameters": 1, "preferred": "Q8_0", "variants": []}]})"),
      Error);
}

TEST(Catalogue, NearNames) {
  const Names known = {"r1", "v3", "smollm2-135m", "r1-distill-qwen-7b"};
  EXPECT_EQ(near_names("smolm2-135m", known, 1), Names{"smollm2-135m"});
  EXPECT_EQ(near_names("distill-qwen", known, 1), Names{"r1-distill-qwen-7b"});
  EXPECT_TRUE(near_names("completely-different", known).empty());
  EXPECT_TRUE(near_names("", known).empty());
}

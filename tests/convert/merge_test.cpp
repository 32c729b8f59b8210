// A model with an adapter merged in, written: what loads again is the same, in both formats.
#include "convert/merge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "models/adapter.h"
#include "models/decoder.h"
#include "models/lora.h"
#include "models/packing_plan.h"

using namespace limpid;

namespace {

namespace fs = std::filesystem;

std::string model_path(const std::string& name) { return std::string(REPO_DIR) + "/tests/models/data/" + name; }

TEST(Merge, IsWrittenAsAModelThatLoads) {
  const ModelFiles base = ModelFiles::open(model_path("llama3"));
  Decoder decoder(base.config());
  const ParameterStore store(decoder, {.gradients = false});
  LoraAdapter lora(store, {3, 6, {"q_proj", "down_proj"}, DType::bf16});
  float at = 0;
  for (float& value : lora.values()) value = 0.1F * std::sin(at += 0.7F);
  const std::string adapter = testing::TempDir() + "merge_adapter";
  lora.save(adapter, "llama3");
  for (const char* name : {"llama3", "llama3.gguf"}) {
    const ModelFiles plain = ModelFiles::open(model_path(name)), merged = plain.with_adapter(adapter);
    const std::string out = testing::TempDir() + "merged_" + name;
    fs::remove_all(out);
    const auto stop = [](std::uint64_t done, std::uint64_t total) {
      if (done > total / 2) fail(ErrorKind::cancelled, "enough");
    };
    EXPECT_THROW(write_model(merged, out, stop), Error);
    EXPECT_TRUE(fs::is_directory(out) ? fs::is_empty(out) : !fs::exists(out)) << "what is stopped leaves nothing";
    std::uint64_t calls = 0, first = 1, last = 0, all = 0;
    write_model(merged, out, [&](std::uint64_t done, std::uint64_t total) {
      if (calls++ == 0) first = done;
      last = done, all = total;
    });
    EXPECT_EQ(first, 0u) << "the size is said before a byte is written";
    EXPECT_LE(last, all);
    const ModelFiles again = ModelFiles::open(out);
    ASSERT_EQ(again.weights().weights().size(), plain.weights().weights().size()) << name;
    std::size_t changed = 0;
    for (const Weight& weight : merged.weights().weights()) {
      const std::vector<float> written = decode_all(again.weights().at(weight.name));
      EXPECT_EQ(written, decode_all(weight)) << weight.name;
      changed += written != decode_all(plain.weights().at(weight.name)) ? 1 : 0;
    }
    EXPECT_EQ(changed, 2 * static_cast<std::size_t>(base.config().layers)) << name;
    EXPECT_NO_THROW(load_model(again, Precision::fast, 1)) << name;
    EXPECT_EQ(again.has_tokenizer(), plain.has_tokenizer());
    EXPECT_THROW(write_model(again, out), Error) << "it is the model that is read";
  }
}

}  // namespace

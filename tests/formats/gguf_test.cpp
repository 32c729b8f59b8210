// GGUF files made by the gguf Python package (make_gguf_goldens.py), read back value by value.
#include "formats/gguf.h"

#include <gtest/gtest.h>

#include "formats/weight_source.h"
#include "tests/formats/bytes.h"

namespace limpid {
namespace {

TEST(Gguf, ReadsEveryMetadataType) {
  const GgufFile file(kData + "types.gguf");
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.alignment(), 32U);
  EXPECT_EQ(file.get<std::string>("general.architecture"), "llama");
  EXPECT_EQ(file.get<std::uint32_t>("t.u8"), 200U);
  EXPECT_EQ(file.get<std::int32_t>("t.i8"), -100);
  EXPECT_EQ(file.get<std::int64_t>("t.u16"), 60000);
  EXPECT_EQ(file.get<std::int32_t>("t.i16"), -30000);
  EXPECT_EQ(file.get<std::uint32_t>("t.u32"), 4000000000U);
  EXPECT_EQ(file.get<std::int32_t>("t.i32"), -2000000000);
  EXPECT_EQ(file.get<float>("t.f32"), 0.1F);
  EXPECT_EQ(file.get<double>("t.f32"), double{0.1F});
  EXPECT_EQ(file.get<double>("t.f64"), 0.1);
  EXPECT_TRUE(file.get<bool>("t.true"));
  EXPECT_FALSE(file.get<bool>("t.false"));
  EXPECT_EQ(file.get<std::string_view>("t.string"), std::string_view("grün 你好 \0 end", 18));
  EXPECT_EQ(file.get<std::string>("t.empty"), "");
  EXPECT_EQ(file.get<std::uint64_t>("t.u64"), ~std::uint64_t{0});
  EXPECT_EQ(file.get<std::int64_t>("t.i64"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(file.get<std::vector<std::string_view>>("t.strings"),
            (std::vector<std::string_view>{"a", "", "Ġthe", "日本"}));
  EXPECT_EQ(file.get<std::vector<std::int32_t>>("t.i32s"), (std::vector<std::int32_t>{1, -2, 3}));
  EXPECT_EQ(file.get<std::vector<std::int64_t>>("t.u8s"), (std::vector<std::int64_t>{1, 2, 255}));
  EXPECT_EQ(file.get<std::vector<float>>("t.f32s"), (std::vector<float>{0.5F, -1.25F}));
  EXPECT_EQ(file.value("t.bools")->count, 3U);
  EXPECT_EQ(file.find<std::string>("no.such.key"), std::nullopt);
  EXPECT_EQ(file.get_or<std::uint32_t>("no.such.key", 7), 7U);
  EXPECT_FALSE(file.has("no.such.key"));
}

TEST(Gguf, NamesTheKeyAndBothTypes) {
  const GgufFile file(kData + "types.gguf");
  const std::string path = file.path() + ": ";
  EXPECT_EQ(error_of([&] { file.get<std::string>("t.u8"); }), path + "key 't.u8': expected string, found u8");
  EXPECT_EQ(error_of([&] { file.find<std::uint32_t>("t.strings"); }),
            path + "key 't.strings': expected an integer of 0 or more, found array of string");
  EXPECT_EQ(error_of([&] { file.get<std::vector<float>>("t.i32s"); }),
            path + "key 't.i32s': expected array of f32 or f64, found array of i32");
  EXPECT_EQ(error_of([&] { file.get<std::vector<std::int32_t>>("t.strings"); }),
            path + "key 't.strings': expected array of integers, found array of string");
  EXPECT_EQ(error_of([&] { file.get<std::uint32_t>("t.i8"); }),
            path + "key 't.i8': expected an integer from 0 to 4294967295, found -100");
  EXPECT_EQ(error_of([&] { file.get<std::int64_t>("t.u64"); }),
            path +
                "key 't.u64': expected an integer from -9223372036854775808 to 9223372036854775807, found "
                "18446744073709551615");
  EXPECT_EQ(error_of([&] { file.get<std::vector<std::int64_t>>("t.u64s"); }),
            path +
                "key 't.u64s': expected an integer from -9223372036854775808 to 9223372036854775807, found "
                "9223372036854775808");
  EXPECT_EQ(error_of([&] { file.get<bool>("no.such.key"); }),
            path + "key 'no.such.key': expected bool, found no such key");
}

TEST(Gguf, ReadsEveryTensorType) {
  const GgufFile file(kData + "types.gguf");
  EXPECT_EQ(file.tensors().size(), 29U);
  for (int i = 0; i < kDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    const GgufTensor* tensor = file.tensor("x." + std::string(info(type).name));
    if (type == DType::f8_e4m3) {  // GGUF has no such type
      EXPECT_EQ(tensor, nullptr);
      EXPECT_EQ(ggml_from_dtype(type), std::nullopt);
      continue;
    }
    ASSERT_NE(tensor, nullptr) << info(type).name;
    EXPECT_EQ(tensor->type, type);
    EXPECT_EQ(dtype_from_ggml(*ggml_from_dtype(type)), type);
    EXPECT_EQ(tensor->rank, 2);
    EXPECT_EQ(tensor->dims[0], info(type).block > 1 ? 256 : 3);
    EXPECT_EQ(tensor->dims[1], 2);
    EXPECT_EQ(tensor->data.size(), 2 * row_bytes(type, tensor->dims[0])) << info(type).name;
  }
  const GgufTensor* experts = file.tensor("x.experts");
  EXPECT_EQ(experts->dims, (std::array<std::int64_t, 4>{4, 3, 2, 1}));
  for (int i = 0; i < 24; ++i)
    EXPECT_EQ(reinterpret_cast<const float*>(experts->data.data())[i], static_cast<float>(i));
  EXPECT_EQ(std::memcmp(read_file(file.path()).data() + experts->offset, experts->data.data(), experts->data.size()),
            0);
}

TEST(Gguf, Version2ReadsAsVersion3) {
  const GgufFile two(kData + "small_v2.gguf"), three(kData + "small.gguf");
  EXPECT_EQ(two.version(), 2U);
  EXPECT_EQ(two.alignment(), 64U);
  EXPECT_EQ(two.get<std::vector<std::string_view>>("tokenizer.ggml.tokens"),
            (std::vector<std::string_view>{"a", "bc"}));
  ASSERT_EQ(two.tensors().size(), 2U);
  EXPECT_EQ(two.tensors()[1].name, "b.weight");
  EXPECT_EQ(std::memcmp(two.tensors()[1].data.data(), three.tensors()[1].data.data(), 36), 0);
  EXPECT_EQ(two.tensor_bytes(), 16U + 36U);
}

TEST(Gguf, OpensAllPartsFromTheFirst) {
  const GgufFile file(kData + "split-00001-of-00003.gguf");
  EXPECT_EQ(file.part_count(), 3U);
  EXPECT_EQ(file.get<std::string>("general.name"), "in three parts");
  ASSERT_EQ(file.tensors().size(), 5U);
  EXPECT_EQ(file.total_bytes(), 384U + 288U + 192U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(file.tensors()[i].name, "blk." + std::to_string(i) + ".weight");
    EXPECT_EQ(file.tensors()[i].part, static_cast<int>(i / 2));
    EXPECT_EQ(reinterpret_cast<const float*>(file.tensors()[i].data.data())[7], static_cast<float>(i));
  }
}

// Parts that do not belong together.
TEST(Gguf, RefusesWrongParts) {
  const auto part = [](int i) { return "split-0000" + std::to_string(i) + "-of-00003.gguf"; };
  TemporaryFolder folder;
  const auto copy = [&](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(kData + from, folder / to, std::filesystem::copy_options::overwrite_existing);
  };
  for (int i = 1; i <= 3; ++i) copy(part(i), part(i));
  const auto open = [&](const std::string& name) { return error_of([&] { GgufFile file(folder / name); }); };
  const auto holds = [](const std::string& message, const std::string& text) {
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  EXPECT_EQ(open(part(1)), "");
  holds(open(part(2)), "this is part 2 of 3, open the first (-00001-of-00003.gguf)");
  copy(part(1), "renamed.gguf");
  holds(open("renamed.gguf"), "file name: expected it to end in -00001-of-00003.gguf");
  copy(part(1), "split-00001-of-00004.gguf");
  holds(open("split-00001-of-00004.gguf"), "file name: expected");
  copy(part(2), part(3));
  holds(open(part(1)), "key 'split.no': expected 2, found 1");
  copy("small.gguf", part(3));
  holds(open(part(1)), "00003-of-00003.gguf: key 'split.no': expected 2, found no such key");
  std::filesystem::remove(folder / part(3));
  holds(open(part(1)), "00003-of-00003.gguf: No such file");
  // The same tensors again under the third part's number: one name in two parts.
  std::string twice = read_file(kData + part(2));
  const auto at = twice.find("split.no");
  twice[at + 8 + 4] = 2;
  write_file(folder / part(3), twice);
  holds(open(part(1)), "tensor 'blk.2.weight': expected once in all parts, found in");
  std::string fewer = read_file(kData + part(3));
  fewer[fewer.find("split.tensors.count") + 19 + 4] = 4;
  write_file(folder / part(3), fewer);
  holds(open(part(1)), "key 'split.tensors.count': expected 5, found 4");
  for (int i = 1; i <= 3; ++i) {
    std::string more = read_file(kData + part(i));
    more[more.find("split.tensors.count") + 19 + 4] = 6;
    write_file(folder / part(i), more);
  }
  holds(open(part(1)), "key 'split.tensors.count': expected 6 tensors in all parts, found 5");
}

TEST(Gguf, WeightsHaveRowMajorShapes) {
  const GgufWeights weights(std::make_shared<const GgufFile>(kData + "types.gguf"));
  EXPECT_EQ(weights.format(), WeightSource::Format::gguf);
  const Weight& experts = weights.at("x.experts");
  EXPECT_EQ(experts.rank, 3);
  EXPECT_EQ(experts.shape, (std::array<std::int64_t, 4>{2, 3, 4, 1}));
  EXPECT_EQ(experts.columns(), 4);
  EXPECT_EQ(experts.rows(), 6);
  EXPECT_TRUE(experts.scales.empty());
  const Weight& vector = weights.at("x.vector");
  EXPECT_EQ(vector.rank, 1);
  EXPECT_EQ(vector.columns(), 5);
  EXPECT_EQ(vector.rows(), 1);
  EXPECT_EQ(weights.find("none"), nullptr);
  EXPECT_NE(error_of([&] { weights.at("none"); }).find("types.gguf: tensor 'none': expected in the file"),
            std::string::npos);
  weights.drop(experts);
  EXPECT_EQ(reinterpret_cast<const float*>(experts.data.data())[23], 23.0F);

  const GgufWeights split(std::make_shared<const GgufFile>(kData + "split-00001-of-00003.gguf"));
  EXPECT_EQ(split.files().size(), 3U);
  EXPECT_EQ(split.at("blk.4.weight").file, 2);
  EXPECT_EQ(split.at("blk.4.weight").shape, (std::array<std::int64_t, 4>{2, 4, 1, 1}));
}

}  // namespace
}  // namespace limpid

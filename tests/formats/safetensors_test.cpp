// safetensors files made by torch and the safetensors Python package (make_safetensors_goldens.py), read and written
// again; hostile ones refused.
#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include "formats/safetensors_writer.h"
#include "tests/formats/bytes.h"

namespace limpid {
namespace {

template <typename T>
T at(const SafetensorsTensor& tensor, std::size_t i) {
  T value;
  std::memcpy(&value, tensor.data.data() + i * sizeof value, sizeof value);
  return value;
}

TEST(Safetensors, ReadsEveryType) {
  const SafetensorsFile file(kData + "types.safetensors");
  ASSERT_EQ(file.metadata().size(), 2U);
  EXPECT_EQ(file.metadata()[0], (std::pair<std::string, std::string>("format", "pt")));
  EXPECT_EQ(file.metadata()[1], (std::pair<std::string, std::string>("note", "all types")));
  EXPECT_EQ(file.tensors().size(), 14U);
  const auto get = [&](const std::string& name) -> const SafetensorsTensor& { return *file.tensor(name); };
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::f8_e4m3, DType::i8, DType::i16, DType::i32,
                           DType::i64, DType::f64}) {
    const SafetensorsTensor* tensor = file.tensor("x." + std::string(*safetensors_from_dtype(type)));
    ASSERT_NE(tensor, nullptr) << info(type).name;
    EXPECT_EQ(tensor->type, type);
    EXPECT_EQ(tensor->shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(tensor->data.size(), static_cast<std::size_t>(6 * info(type).bytes));
    EXPECT_EQ(std::memcmp(read_file(file.path()).data() + tensor->offset, tensor->data.data(), tensor->data.size()), 0);
  }
  EXPECT_EQ(safetensors_from_dtype(DType::q4_0), std::nullopt);
  EXPECT_EQ(at<float>(get("x.F32"), 5), 5.0F);
  EXPECT_EQ(at<double>(get("x.F64"), 5), 5.0);
  EXPECT_EQ(at<std::int64_t>(get("x.I64"), 4), 4);
  EXPECT_EQ(at<std::uint16_t>(get("x.BF16"), 1), 0x3F80);
  EXPECT_EQ(at<std::uint16_t>(get("x.F16"), 1), 0x3C00);
  EXPECT_EQ(at<std::uint8_t>(get("x.F8_E4M3"), 1), 0x38);
  EXPECT_EQ(at<float>(get("x.scalar"), 0), 2.5F);
  EXPECT_TRUE(get("x.scalar").shape.empty());
  EXPECT_EQ(get("x.none").data.size(), 0U);
  EXPECT_EQ(get("grün \"quoted\"").shape, (std::vector<std::int64_t>{1}));
  EXPECT_EQ(get("x.U8").type, std::nullopt);
  EXPECT_EQ(get("x.BOOL").dtype, "BOOL");
  EXPECT_EQ(file.tensor("none"), nullptr);
}

void copy(const SafetensorsFile& source, const std::string& path) {
  SafetensorsWriter out(path);
  for (const auto& [key, value] : source.metadata()) out.set_metadata(key, value);
  for (const SafetensorsTensor& tensor : source.tensors()) out.add_tensor(tensor.name, *tensor.type, tensor.shape);
  for (const SafetensorsTensor& tensor : source.tensors())
    for (std::size_t i = 0; i < tensor.data.size(); i += 5)
      out.write(tensor.data.subspan(i, std::min<std::size_t>(5, tensor.data.size() - i)));
  out.finish();
}

TEST(Safetensors, WritesThePythonPackagesBytes) {
  TemporaryFolder folder;
  for (const char* name : {"small.safetensors", "writable.safetensors"}) {
    copy(SafetensorsFile(kData + name), folder / name);
    EXPECT_EQ(read_file(folder / name), read_file(kData + name)) << name;
  }
  SafetensorsWriter(folder / "empty").finish();
  EXPECT_TRUE(SafetensorsFile(folder / "empty").tensors().empty());
  {
    SafetensorsWriter out(folder / "metadata");
    out.set_metadata("a", "b \"c\"");
    out.finish();
  }
  EXPECT_EQ(SafetensorsFile(folder / "metadata").metadata()[0].second, "b \"c\"");
}

TEST(Safetensors, WriterRefusesMisuseAndLeavesNothing) {
  TemporaryFolder folder;
  {
    SafetensorsWriter out(folder / "f");
    const std::string by = "write " + (folder / "f") + ": ";
    out.add_tensor("h", DType::f16, {3});
    EXPECT_EQ(error_of([&] { out.add_tensor("f", DType::f32, {1}); }),
              by + "tensor 'f': expected its F32 data at a multiple of 4, found 6: list wider types first");
    EXPECT_NE(error_of([&] { out.add_tensor("h", DType::f16, {3}); }), "");
    EXPECT_NE(error_of([&] { out.add_tensor("__metadata__", DType::f16, {3}); }), "");
    EXPECT_NE(error_of([&] { out.add_tensor("\xff", DType::f16, {3}); }).find("expected UTF-8"), std::string::npos);
    EXPECT_NE(error_of([&] { out.add_tensor("big", DType::f16, {INT64_MAX, INT64_MAX}); }), "");
    EXPECT_EQ(error_of([&] { out.add_tensor("q", DType::q4_0, {32}); }),
              by + "tensor 'q': expected a type that safetensors has, found Q4_0");
    EXPECT_EQ(error_of([&] { out.write(as_bytes("1234567")); }),
              by + "data of tensor 'h': expected at most 6 bytes more, found 7");
    EXPECT_EQ(error_of([&] { out.finish(); }), by + "data of tensor 'h': expected 6 bytes, found 0");
    EXPECT_NE(error_of([&] { out.set_metadata("late", ""); }), "");
    out.write(as_bytes("123456"));
    EXPECT_EQ(error_of([&] { out.write(as_bytes("1")); }),
              by + "tensor data: expected no more, every tensor is full; found 1 bytes");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

std::string file_of(std::string header, std::size_t data) {
  while (header.size() % 8 != 0) header += ' ';
  return Bytes().string(header).raw(std::string(data, 'x')).data;
}

std::string safetensors_error(const std::string& bytes) {
  return error_of([&] { SafetensorsFile::from_memory(as_bytes(bytes), "f"); });
}

TEST(SafetensorsHostile, SaysWhatIsWrong) {
  const auto one = [](const std::string& fields, std::size_t data) { return file_of("{\"w\":" + fields + "}", data); };
  const auto two = [](const std::string& a, const std::string& b, std::size_t data) {
    return file_of(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":)" + a +
                       R"(},"b":{"dtype":"F16","shape":[2],"data_offsets":)" + b + "}}",
                   data);
  };
  std::string odd = R"({"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})";
  odd.resize(odd.size() + 1 + odd.size() % 2, ' ');
  const std::vector<HostileFile> cases = {
      {"empty", "", "header size: expected 8 bytes, found 0"},
      {"header of nothing", std::string(8, '\0'), "header: expected '{' at byte 8"},
      {"header longer than the file", Bytes().add(std::uint64_t{10}).raw("{}").data,
       "header size: expected at most 2 (the rest of the file), found 10"},
      {"header over the limit", Bytes().add(std::uint64_t{1} << 60).raw("{}").data,
       "(the format's limit), found 1152921504606846976"},
      {"space first", Bytes().string(" {}     ").data, "header: expected '{' at byte 8"},
      {"no JSON", Bytes().string("{{      ").data, "f (header): byte"},
      {"nothing in it", file_of("{}", 0), ""},
      {"one tensor", one(R"({"dtype":"F16","shape":[2],"data_offsets":[0,4]})", 4), ""},
      {"other order of fields", one(R"({"data_offsets":[0,4],"shape":[2],"dtype":"F16"})", 4), ""},
      {"not an object", one("1", 0),
       "entry of tensor \"w\": expected an object of dtype, shape and data_offsets, found 1"},
      {"a field more", one(R"({"dtype":"F16","shape":[2],"data_offsets":[0,4],"x":1})", 4), "entry of tensor \"w\""},
      {"a field renamed", one(R"({"type":"F16","shape":[2],"data_offsets":[0,4]})", 4),
       "dtype of tensor \"w\": expected the field, found none"},
      {"dtype a number", one(R"({"dtype":16,"shape":[2],"data_offsets":[0,4]})", 4),
       "dtype of tensor \"w\": expected a string, found 16"},
      {"unknown dtype", one(R"({"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]})", 3),
       "expected a type that limpid knows, found \"F6_E2M3\""},
      {"negative dimension", one(R"({"dtype":"F16","shape":[-2],"data_offsets":[0,4]})", 4),
       "shape of tensor \"w\": expected integers from 0"},
      {"fraction", one(R"({"dtype":"F16","shape":[2.0],"data_offsets":[0,4]})", 4),
       "shape of tensor \"w\": expected integers from 0"},
      {"too many dimensions", one(R"({"dtype":"F16","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,4]})", 4),
       "array of at most 8 integers"},
      {"values overflow",
       one(R"({"dtype":"F16","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,4]})", 4),
       "less than 2^64 values"},
      {"bytes overflow", one(R"({"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]})", 0),
       "less than 2^64 bytes"},
      {"empty but huge", one(R"({"dtype":"F16","shape":[0,9223372036854775807,9],"data_offsets":[0,0]})", 0), ""},
      {"size lies", one(R"({"dtype":"F16","shape":[3],"data_offsets":[0,4]})", 4),
       "expected 6 bytes, as dtype and shape say, found 4 (0 to 4)"},
      {"end before begin", one(R"({"dtype":"F16","shape":[2],"data_offsets":[4,0]})", 4),
       "expected two integers, begin <= end, found [4,0]"},
      {"three offsets", one(R"({"dtype":"F16","shape":[2],"data_offsets":[0,4,8]})", 4), "expected two integers"},
      {"data cut", one(R"({"dtype":"F16","shape":[2],"data_offsets":[0,4]})", 3),
       "expected an end of at most 3, where the file ends, found 4"},
      {"bytes at the end", one(R"({"dtype":"F16","shape":[2],"data_offsets":[0,4]})", 5),
       "end of file: expected it at byte"},
      {"gap at the start", one(R"({"dtype":"F16","shape":[2],"data_offsets":[2,6]})", 6),
       "expected to begin at 0 (a gap after the tensor before), found 2"},
      {"two tensors", two("[4,8]", "[0,4]", 8), ""},
      {"overlap", two("[0,4]", "[2,6]", 6), "expected to begin at 4 (an overlap with the tensor before), found 2"},
      {"same place", two("[0,4]", "[0,4]", 4), "expected to begin at 4 (an overlap with the tensor before), found 0"},
      {"gap", two("[0,4]", "[6,10]", 10), "expected to begin at 4 (a gap after the tensor before), found 6"},
      {"misaligned", Bytes().string(odd).raw("xxxx").data,
       "expected a place in the file that is a multiple of 2 (F16)"},
      {"a tensor twice",
       file_of(
           R"({"w":{"dtype":"F16","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}})",
           0),
       "f (header): JSON key 'w': expected once in its object, found twice"},
      {"metadata no object", file_of(R"({"__metadata__":1})", 0), "__metadata__: expected an object, found 1"},
      {"metadata no strings", file_of(R"({"__metadata__":{"a":1}})", 0),
       "__metadata__: expected a string for \"a\", found 1"},
      {"too deep", file_of(R"({"w":[[[[[]]]]]})", 0), "JSON nesting: expected at most 4 levels"},
  };
  for (const HostileFile& c : cases) {
    const std::string message = safetensors_error(c.bytes);
    if (*c.message == '\0') {
      EXPECT_EQ(message, "") << c.what;
    } else {
      EXPECT_EQ(message.rfind("f", 0), 0U) << c.what;
      EXPECT_NE(message.find(c.message), std::string::npos) << c.what << ": " << message;
    }
  }
}

TEST(SafetensorsHostile, EveryTruncationIsRefused) {
  for (const char* name : {"small.safetensors", "types.safetensors"}) {
    const std::string whole = read_file(kData + name);
    EXPECT_EQ(safetensors_error(whole), "");
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_NE(safetensors_error(whole.substr(0, size)), "") << name << " " << size;
    EXPECT_NE(safetensors_error(whole + "x"), "") << name;
  }
}

TEST(SafetensorsHostile, AnyByteMayBeWrong) {
  for (const char* name : {"small.safetensors", "types.safetensors"}) {
    const std::string whole = read_file(kData + name);
    std::uint64_t header = 0;
    std::memcpy(&header, whole.data(), sizeof header);
    std::size_t refused = 0;
    for (std::size_t i = 0; i < 8 + header; ++i) {
      for (const int change : {0x01, 0x02, 0x10, 0x40, 0x80, 0xFF}) {
        std::string broken = whole;
        broken[i] = static_cast<char>(broken[i] ^ change);
        refused += !safetensors_error(broken).empty();
      }
    }
    EXPECT_GT(refused, 3 * header) << name;
  }
}

}  // namespace
}  // namespace limpid

// The writer, against the bytes that the gguf Python package writes, against our reader, and against a full disk.
#include "formats/gguf_writer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "tests/formats/bytes.h"

namespace limpid {
namespace {

std::size_t files_in(const TemporaryFolder& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

// Reading a file of the Python package and writing all that was read gives the same bytes.
TEST(GgufWriter, WritesThePythonPackagesBytes) {
  TemporaryFolder folder;
  const GgufFile source(TEST_DATA "/types.gguf");
  GgufWriter out(folder / "copy.gguf");
  for (const GgufValue& value : source.values()) {
    const std::string_view key = value.key;
    if (key == "general.architecture")
      out.set(key, "llama");
    else if (key == "t.u8")
      out.set(key, std::uint8_t{200});
    else if (key == "t.u32")
      out.set(key, std::uint32_t{4000000000});
    else if (key == "t.i32")
      out.set(key, std::int32_t{-2000000000});
    else if (key == "t.f32")
      out.set(key, 0.1F);
    else if (key == "t.f64")
      out.set(key, 0.1);
    else if (key == "t.true")
      out.set(key, true);
    else if (key == "t.u64")
      out.set(key, ~std::uint64_t{0});
    else if (key == "t.i64")
      out.set(key, std::numeric_limits<std::int64_t>::min());
    else if (key == "t.empty")
      out.set(key, std::string());
    else if (key == "t.strings")
      out.set(key, std::span<const std::string>(std::vector<std::string>{"a", "", "Ġthe", "日本"}));
    else if (key == "t.i32s")
      out.set(key, std::span<const std::int32_t>(std::vector<std::int32_t>{1, -2, 3}));
    else if (key == "t.f32s")
      out.set(key, std::span<const float>(std::vector<float>{0.5F, -1.25F}));
    else
      out.copy(value);
  }
  for (const GgufTensor& tensor : source.tensors()) {
    std::vector<std::int64_t> shape(tensor.dims.begin(), tensor.dims.begin() + tensor.rank);
    out.add_tensor(tensor.name, tensor.type, std::vector<std::int64_t>(shape.rbegin(), shape.rend()));
  }
  for (const GgufTensor& tensor : source.tensors())
    for (std::size_t i = 0; i < tensor.data.size(); i += 7)
      out.write(tensor.data.subspan(i, std::min<std::size_t>(7, tensor.data.size() - i)));
  EXPECT_FALSE(std::filesystem::exists(folder / "copy.gguf"));
  out.finish();
  EXPECT_EQ(read_file(folder / "copy.gguf"), read_file(source.path()));
  EXPECT_EQ(files_in(folder), 1U);
}

TEST(GgufWriter, OwnAlignmentAndLargePiecesReadBack) {
  TemporaryFolder folder;
  const std::string path = folder / "aligned.gguf";
  std::string big(std::size_t{3} << 20, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7 + i / 1000);
  for (int round = 0; round < 2; ++round) {  // the second replaces the first
    GgufWriter out(path, 4096);
    out.set("u32s", std::span<const std::uint32_t>(std::vector<std::uint32_t>{1, 4000000000}));
    out.set("views", std::span<const std::string_view>(std::vector<std::string_view>{"x", "yz"}));
    out.add_tensor("small", DType::f32, {3});
    out.add_tensor("big", DType::i8, {3, 1024, 1024});
    out.add_tensor("last", DType::q4_k, {1, 256});
    EXPECT_EQ(out.data_bytes(), 4096U + big.size() + 4096U);
    out.write(as_bytes(std::string(12, 'a')));
    out.write(as_bytes(big).first(5));
    out.write(as_bytes(big).subspan(5));
    out.write(as_bytes(std::string(144, round == 0 ? 'b' : 'c')));
    out.finish();
  }
  const GgufFile file(path);
  EXPECT_EQ(file.alignment(), 4096U);
  EXPECT_EQ(file.get<std::vector<std::int64_t>>("u32s"), (std::vector<std::int64_t>{1, 4000000000}));
  EXPECT_EQ(file.get<std::vector<std::string_view>>("views"), (std::vector<std::string_view>{"x", "yz"}));
  EXPECT_EQ(file.tensor("big")->dims, (std::array<std::int64_t, 4>{1024, 1024, 3, 1}));
  EXPECT_EQ(file.tensor("big")->offset % 4096, 0U);
  EXPECT_EQ(std::memcmp(file.tensor("big")->data.data(), big.data(), big.size()), 0);
  EXPECT_EQ(static_cast<char>(file.tensor("last")->data[143]), 'c');
}

TEST(GgufWriter, MetadataAloneReadsBack) {
  TemporaryFolder folder;
  GgufWriter out(folder / "vocabulary.gguf");
  out.set("general.architecture", "llama");
  out.finish();
  EXPECT_EQ(GgufFile(folder / "vocabulary.gguf").get<std::string>("general.architecture"), "llama");
}

TEST(GgufWriter, RefusesMisuseAndLeavesNothing) {
  TemporaryFolder folder;
  const GgufFile source(TEST_DATA "/small.gguf");
  {
    GgufWriter out(folder / "f.gguf");
    const auto refused = [&](auto action) { return error_of([&] { action(); }); };
    const std::string by = "write " + (folder / "f.gguf") + ": ";
    out.set("k", true);
    EXPECT_EQ(refused([&] { out.set("k", 1); }), by + "key 'k': expected a name, once; found it twice");
    EXPECT_EQ(refused([&] { out.set("", 1); }), by + "key '': expected a name, once; found none");
    EXPECT_EQ(refused([&] { out.copy(*source.value("general.alignment")); }),
              by + "key 'general.alignment': expected a key of the model's, found one of the file's");
    out.add_tensor("w", DType::q4_0, {2, 32});
    EXPECT_EQ(refused([&] { out.add_tensor("w", DType::f32, {1}); }),
              by + "tensor 'w': expected a name, once; found it twice");
    EXPECT_EQ(refused([&] {
                out.add_tensor("v", DType::q4_0, {32, 2});
              }),
              by + "tensor 'v': expected rows of a multiple of 32 values (Q4_0), found 2");
    EXPECT_EQ(refused([&] { out.add_tensor("f8", DType::f8_e4m3, {2}); }),
              by + "tensor 'f8': expected a type that GGUF has, found F8_E4M3");
    EXPECT_NE(refused([&] { out.add_tensor("zero", DType::f32, {0}); }), "");
    EXPECT_NE(refused([&] { out.add_tensor("rank", DType::f32, {1, 1, 1, 1, 1}); }), "");
    EXPECT_EQ(refused([&] { out.write(as_bytes(std::string(37, 'x'))); }),
              by + "data of tensor 'w': expected at most 36 bytes more, found 37");
    out.write(as_bytes("x"));
    EXPECT_NE(refused([&] { out.set("late", 1); }), "");
    EXPECT_NE(refused([&] { out.add_tensor("late", DType::f32, {1}); }), "");
    EXPECT_EQ(refused([&] { out.finish(); }), by + "data of tensor 'w': expected 36 bytes, found 1");
    out.write(as_bytes(std::string(35, 'x')));
    EXPECT_EQ(refused([&] { out.write(as_bytes("x")); }),
              by + "tensor data: expected no more, every tensor is full; found 1 bytes");
  }
  EXPECT_EQ(files_in(folder), 0U);
  EXPECT_NE(error_of([&] {
              GgufWriter out(folder / "f.gguf", 48);
            }).find("alignment: expected a power of two of at least 8, found 48"),
            std::string::npos);
  EXPECT_NE(error_of([&] { GgufWriter out(folder / "none/f.gguf"); }).find("none/f.gguf: No such file"),
            std::string::npos);
  EXPECT_EQ(files_in(folder), 0U);
}

// A limit on the size of files stands in for a full disk: the kernel refuses the write the same way.
TEST(GgufWriter, FullDiskIsAnErrorAndKeepsTheOldFile) {
  TemporaryFolder folder;
  write_file(folder / "f.gguf", "old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  ErrorKind kind = ErrorKind::input;
  std::string message;
  try {
    GgufWriter out(folder / "f.gguf");
    out.add_tensor("w", DType::i8, {4, 1 << 20});
    for (int i = 0; i < 4; ++i) out.write(as_bytes(std::string(1 << 20, 'x')));
    out.finish();
  } catch (const Error& error) {
    kind = error.kind();
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(kind, ErrorKind::resources);
  EXPECT_EQ(message.rfind("write " + (folder / "f.gguf") + ": after ", 0), 0U) << message;
  EXPECT_EQ(files_in(folder), 1U);
  EXPECT_EQ(read_file(folder / "f.gguf"), "old");
}

}  // namespace
}  // namespace limpid

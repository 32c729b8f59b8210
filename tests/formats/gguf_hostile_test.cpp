// GGUF files that are truncated, oversized, overlapping, misaligned or lying: refused with a message, never a crash.
#include <gtest/gtest.h>

#include <functional>

#include "formats/gguf.h"
#include "tests/formats/bytes.h"

namespace limpid {
namespace {

const std::string kSmall = TEST_DATA "/small.gguf";

std::string gguf_error(const std::string& bytes) {
  return error_of([&] { GgufFile::from_memory(as_bytes(bytes), "f"); });
}

Bytes head(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
  return Bytes().raw("GGUF").add(version).add(tensors).add(keys);
}

Bytes& tensor(Bytes& bytes, std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type,
              std::uint64_t offset) {
  bytes.string(name).add(static_cast<std::uint32_t>(dims.size()));
  for (const std::uint64_t dim : dims) bytes.add(dim);
  return bytes.add(type).add(offset);
}

// One tensor of `dims` and `type` at `offset`, and `data` bytes of data.
std::string one(std::vector<std::uint64_t> dims, std::uint32_t type, std::uint64_t offset, std::size_t data) {
  Bytes bytes = head(1, 0);
  tensor(bytes, "w", std::move(dims), type, offset).pad(32);
  return bytes.raw(std::string(data, 'x')).data;
}

std::string key(std::uint32_t type, const std::string& value) {
  return head(0, 1).string("k").add(type).raw(value).data;
}

std::string two_tensors(std::uint64_t first, std::uint64_t second) {
  Bytes bytes = head(2, 0);
  tensor(bytes, "a", {8}, 0, first);
  tensor(bytes, "b", {8}, 0, second).pad(32);
  return bytes.raw(std::string(64, 'x')).data;
}

TEST(GgufHostile, SaysWhatIsWrong) {
  Bytes twice_key = head(0, 2), twice_tensor = head(2, 0), deep = head(0, 1);
  for (int i = 0; i < 2; ++i) twice_key.string("k").add(0U).add('x');
  tensor(twice_tensor, "a", {8}, 0, 0);
  tensor(twice_tensor, "a", {8}, 0, 32).pad(32).raw(std::string(64, 'x'));
  deep.string("k").add(9U).add(9U).add(std::uint64_t{1});
  Bytes deeper = deep;
  for (int i = 0; i < 2; ++i) deep.add(9U).add(std::uint64_t{1});
  deep.add(0U).add(std::uint64_t{1}).add('x');
  for (int i = 0; i < 3; ++i) deeper.add(9U).add(std::uint64_t{1});
  deeper.add(0U).add(std::uint64_t{1}).add('x');
  const auto aligned = [](std::uint32_t type, std::uint32_t alignment) {
    return head(0, 1).string("general.alignment").add(type).add(alignment).data;
  };
  const std::uint64_t huge = std::uint64_t{1} << 62;
  const std::vector<HostileFile> cases = {
      {"empty", "", "magic at byte 0: expected 4 bytes, found 0"},
      {"magic", std::string("GGML\3\0\0\0", 8), "magic: expected 'GGUF', found 'GGML'"},
      {"version 1", head(0, 0, 1).data, "version: expected 2 or 3, found 1"},
      {"version 4", head(0, 0, 4).data, "version: expected 2 or 3, found 4"},
      {"nothing in it", head(0, 0).data, ""},
      {"number of keys", head(0, huge).data,
       "number of keys: expected at most 0 in a file of 24 bytes, found 4611686018427387904"},
      {"number of tensors", head(huge, 0).data, "number of tensors: expected at most 0"},
      {"key without a name", head(0, 1).string("").add(0U).add(std::uint64_t{0}).data,
       "name of key 0: expected a name"},
      {"key longer than the file", head(0, 1).add(huge).raw(std::string(20, 'x')).data,
       "name of key 0 at byte 32: expected 4611686018427387904"},
      {"type of a key", key(13, std::string(8, '\0')), "type of key 'k': expected 0 to 12, found 13"},
      {"string longer than the file", key(8, Bytes().add(huge).data),
       "string 0 of key 'k' at byte 45: expected 4611686018427387904 bytes, found 0"},
      {"bool of 2", key(7, "\2"), "key 'k': expected a bool of 0 or 1, found 2"},
      {"array longer than the file", key(9, Bytes().add(10U).add(huge).add(huge).data),
       "array length of key 'k': expected at most 1 elements in the 8 bytes left, found 4611686018427387904"},
      {"array of strings longer than the file", key(9, Bytes().add(8U).add(std::uint64_t{2}).string("x").data),
       "array length of key 'k': expected at most 1"},
      {"array of an unknown type", key(9, Bytes().add(77U).add(std::uint64_t{0}).data),
       "type of key 'k': expected 0 to 12, found 77"},
      {"arrays in arrays", deep.data, ""},
      {"arrays too deep", deeper.data, "nested at most 4 deep"},
      {"a key twice", twice_key.data, "key 'k': expected once, found twice"},
      {"alignment of another type", aligned(5, 32), "key 'general.alignment': expected u32, found i32"},
      {"alignment 0", aligned(4, 0), "key 'general.alignment': expected a power of two of at least 8, found 0"},
      {"alignment 48", aligned(4, 48), "found 48"},
      {"alignment 4", aligned(4, 4), "found 4"},
      {"alignment 64", Bytes{aligned(4, 64)}.data, ""},
      {"one tensor", one({8}, 0, 0, 32), ""},
      {"without its padding", one({7}, 0, 0, 28), ""},
      {"a single number", one({}, 0, 0, 4), ""},
      {"rank 5", one({1, 1, 1, 1, 1}, 0, 0, 32), "rank of tensor 'w': expected at most 4, found 5"},
      {"dimension 0", one({8, 0}, 0, 0, 32), "dimension 1 of tensor 'w': expected at least 1"},
      {"negative dimension", one({8, ~std::uint64_t{0}}, 0, 0, 32), "dimension 1 of tensor 'w': expected at least 1"},
      {"more values than 2^63", one({huge, 2}, 0, 0, 32), "product below 2^63, found 2"},
      {"more bytes than 2^64", one({huge}, 0, 0, 32), "size of tensor 'w': expected less than 2^64 bytes"},
      {"a type that is gone", one({32}, 4, 0, 32),
       "type of tensor 'w': expected a ggml type that limpid reads, found number 4"},
      {"a type of the future", one({32}, 999, 0, 32), "found number 999"},
      {"half a block", one({48}, 2, 0, 32), "row of tensor 'w': expected a multiple of 32 values (Q4_0), found 48"},
      {"misaligned", one({8}, 0, 4, 64), "offset of tensor 'w': expected a multiple of 32, found 4"},
      {"data cut", one({8}, 0, 0, 31), "data of tensor 'w': expected 32 bytes at offset 0, found 31 bytes"},
      {"no data", one({8}, 0, 0, 0), "data of tensor 'w': expected 32 bytes at offset 0, found 0"},
      {"offset past the end", one({8}, 0, std::uint64_t{1} << 63, 32),
       "data of tensor 'w': expected 32 bytes at offset 9223372036854775808"},
      {"gap before the first", one({8}, 0, 32, 64),
       "offset of tensor 'w': expected 0 (a gap after the tensor before), found 32"},
      {"bytes at the end", one({8}, 0, 0, 33), "end of file: expected it at byte 96 after the last tensor, found 97"},
      {"padding after no tensor", head(0, 0).raw(std::string(8, '\0')).data, ""},
      {"bytes after no tensor", head(0, 0).raw(std::string(9, 'x')).data,
       "end of file: expected it at byte 32 (no tensors), found 33"},
      {"two tensors", two_tensors(0, 32), ""},
      {"in the other order", two_tensors(32, 0), ""},
      {"overlap", two_tensors(0, 0), "offset of tensor 'b': expected 32 (an overlap with the tensor before), found 0"},
      {"a tensor twice", twice_tensor.data, "tensor 'a': expected once, found twice"},
  };
  for (const HostileFile& c : cases) {
    const std::string message = gguf_error(c.bytes);
    if (*c.message == '\0') {
      EXPECT_EQ(message, "") << c.what;
    } else {
      EXPECT_EQ(message.rfind("f: ", 0), 0U) << c.what << ": " << message;
      EXPECT_NE(message.find(c.message), std::string::npos) << c.what << ": " << message;
    }
  }
}

TEST(GgufHostile, BigEndianIsNamed) {
  EXPECT_NE(
      error_of([] { GgufFile file(TEST_DATA "/big_endian.gguf"); }).find("expected little-endian, found big-endian"),
      std::string::npos);
}

// Everything that a reader can ask of a file.
std::uint64_t touch(const GgufFile& file) {
  std::uint64_t sum = 0;
  for (const GgufValue& value : file.values()) {
    (void)error_of([&] { sum += file.get<std::uint64_t>(value.key); });
    (void)error_of([&] { sum += file.get<std::string_view>(value.key).size(); });
    (void)error_of([&] { sum += file.get<std::vector<std::string_view>>(value.key).size(); });
    (void)error_of([&] { sum += file.get<std::vector<std::int32_t>>(value.key).size(); });
    (void)error_of([&] { sum += file.get<std::vector<float>>(value.key).size(); });
  }
  for (const GgufTensor& tensor : file.tensors())
    for (const std::byte b : tensor.data) sum += std::to_integer<std::uint64_t>(b);
  return sum;
}

TEST(GgufHostile, EveryTruncationIsRefused) {
  const std::string whole = read_file(kSmall);
  ASSERT_EQ(whole.size(), 448U);
  constexpr std::size_t kLastByte = 0x1a4;  // the padding behind the last tensor may be missing
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string message = gguf_error(whole.substr(0, size));
    EXPECT_EQ(message.empty(), size >= kLastByte) << size << " " << message;
  }
}

TEST(GgufHostile, AnyByteMayBeWrong) {
  for (const char* name : {"small.gguf", "types.gguf"}) {
    const std::string whole = read_file(TEST_DATA "/" + std::string(name));
    const std::size_t header = std::min<std::size_t>(whole.size(), 2600);
    std::size_t refused = 0;
    for (std::size_t i = 0; i < header; ++i) {
      for (const int change : {0x01, 0x02, 0x10, 0x40, 0x80, 0xFF}) {
        std::string broken = whole;
        broken[i] = static_cast<char>(broken[i] ^ change);
        refused += !error_of([&] { touch(GgufFile::from_memory(as_bytes(broken), "f")); }).empty();
      }
    }
    EXPECT_GT(refused, header) << name;  // most of a header means something
  }
}

}  // namespace
}  // namespace limpid

#include "engine/page_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace limpid {

static_assert(std::endian::native == std::endian::little, "PageHead is written as it lies in memory");

namespace {

constexpr Hash128 kContentKey{0x70616765'636f6e74ULL, 0x656e742d'6b657931ULL};
constexpr Hash128 kHeadKey{0x70616765'68656164ULL, 0x2d6b6579'00000001ULL};
constexpr std::uint32_t kMostLayers = 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool close_now() { return close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

// preadv or pwritev until all of it is done; parts of it may come at a time.
template <typename Function>
bool transfer(Function function, std::vector<iovec> parts) {
  std::int64_t offset = 0;
  std::size_t first = 0;
  while (first < parts.size()) {
    const auto count = static_cast<int>(std::min<std::size_t>(parts.size() - first, 512));
    const ssize_t moved = function(parts.data() + first, count, offset);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    offset += moved;
    auto left = static_cast<std::size_t>(moved);
    for (; first < parts.size() && left >= parts[first].iov_len; ++first) left -= parts[first].iov_len;
    if (first == parts.size()) break;
    parts[first].iov_base = static_cast<std::byte*>(parts[first].iov_base) + left;
    parts[first].iov_len -= left;
  }
  return true;
}

bool same_layout(const PageHead& head, const PageShape& shape) {
  return head.layout_version == kCacheLayoutVersion && layout_of(head) == shape.layout &&
         head.layers == static_cast<std::uint32_t>(shape.layers) && head.content_bytes == shape.bytes();
}

// It has the ids asked for, at least as a beginning, and everything else exactly.
bool is_named(const PageHead& head, const PageName& name) {
  return head.scope == name.scope && head.parent == name.parent && head.own == name.own &&
         name.ids.size() <= head.tokens && std::equal(name.ids.begin(), name.ids.end(), head.ids);
}

}  // namespace

PageHead make_head(const PageName& name, const PageShape& shape, const Hash128& content) {
  PageHead head;
  const auto number = [](int value) { return static_cast<std::uint32_t>(value); };
  head.type = static_cast<std::uint32_t>(shape.layout.type);
  head.kv_heads = number(shape.layout.kv_heads);
  head.key_dim = number(shape.layout.key_dim);
  head.value_dim = number(shape.layout.value_dim);
  head.latent = number(shape.layout.latent);
  head.rope = number(shape.layout.rope);
  head.layers = number(shape.layers);
  head.tokens = static_cast<std::uint32_t>(name.ids.size());
  head.content_bytes = shape.bytes();
  head.scope = name.scope;
  head.parent = name.parent;
  head.own = name.own;
  head.owner = name.owner;
  head.content = content;
  std::ranges::copy(name.ids, head.ids);
  head.head = checksum(head);
  return head;
}

Hash128 checksum(const PageHead& head) {
  return siphash128(kHeadKey, std::as_bytes(std::span(&head, 1)).first(offsetof(PageHead, head)));
}

Hash128 checksum(std::span<const std::span<const std::byte>> layers) {
  Hash128 sum = kContentKey;
  for (const std::span<const std::byte> layer : layers) sum = siphash128(sum, layer);
  return sum;
}

CacheLayout layout_of(const PageHead& head) {
  CacheLayout layout;
  layout.type = static_cast<CacheType>(head.type);
  layout.kv_heads = static_cast<int>(head.kv_heads);
  layout.key_dim = static_cast<int>(head.key_dim);
  layout.value_dim = static_cast<int>(head.value_dim);
  layout.latent = static_cast<int>(head.latent);
  layout.rope = static_cast<int>(head.rope);
  return layout;
}

bool sound(const PageHead& head, std::uint64_t file_bytes) {
  const PageHead expected;
  return std::memcmp(head.magic, expected.magic, sizeof head.magic) == 0 && head.version == kPageFileVersion &&
         head.head == checksum(head) && head.tokens >= 1 && head.tokens <= kPageTokens && head.layers >= 1 &&
         head.layers <= kMostLayers && head.type <= static_cast<std::uint32_t>(CacheType::q8) &&
         file_bytes >= sizeof head && file_bytes - sizeof head == head.content_bytes;
}

std::optional<PageHead> read_head(const std::filesystem::path& file) {
  const Descriptor in(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  PageHead head;
  if (in.get() < 0 || fstat(in.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      pread(in.get(), &head, sizeof head, 0) != static_cast<ssize_t>(sizeof head) ||
      !sound(head, static_cast<std::uint64_t>(status.st_size)))
    return std::nullopt;
  return head;
}

bool read_page(const std::filesystem::path& file, const PageName& name, const PageShape& shape,
               std::span<const std::span<std::byte>> layers) {
  const Descriptor in(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (in.get() < 0 || fstat(in.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (static_cast<std::uint64_t>(status.st_size) != sizeof(PageHead) + shape.bytes()) return false;
  PageHead head;
  std::vector<iovec> parts{{&head, sizeof head}};
  for (const std::span<std::byte> layer : layers) parts.push_back({layer.data(), layer.size()});
  const auto read = [&](const iovec* vectors, int count, std::int64_t offset) {
    return preadv(in.get(), vectors, count, offset);
  };
  if (!transfer(read, std::move(parts))) return false;
  const std::vector<std::span<const std::byte>> content(layers.begin(), layers.end());
  return sound(head, static_cast<std::uint64_t>(status.st_size)) && same_layout(head, shape) && is_named(head, name) &&
         head.content == checksum(content);
}

bool write_page(const std::filesystem::path& file, const PageHead& head,
                std::span<const std::span<const std::byte>> layers) {
  std::filesystem::path aside = file;
  aside += ".tmp";
  unlink(aside.c_str());
  Descriptor out(open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (out.get() < 0) return false;
  PageHead written = head;
  std::vector<iovec> parts{{&written, sizeof written}};
  for (const std::span<const std::byte> layer : layers)
    parts.push_back({const_cast<std::byte*>(layer.data()), layer.size()});  // pwritev only reads it
  const auto write = [&](const iovec* vectors, int count, std::int64_t offset) {
    return pwritev(out.get(), vectors, count, offset);
  };
  if (transfer(write, std::move(parts)) && out.close_now() && rename(aside.c_str(), file.c_str()) == 0) return true;
  unlink(aside.c_str());
  return false;
}

}  // namespace limpid

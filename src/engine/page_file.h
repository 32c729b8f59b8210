// A file of the page store: its head, its checksums, and how it gets onto the disk and back (docs/formats.md, "Pages on
// disk"). Internal to engine/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "engine/page_store.h"
#include "tensor/layout.h"

namespace limpid {

inline constexpr std::uint32_t kPageFileVersion = 2;

// As it stands in the file, little-endian. What a reader expects is compared field by field.
struct PageHead {
  char magic[8] = {'l', 'i', 'm', 'p', 'i', 'd', 'K', 'V'};
  std::uint32_t version = kPageFileVersion;
  std::uint32_t layout_version = kCacheLayoutVersion;
  std::uint32_t type = 0, kv_heads = 0, key_dim = 0, value_dim = 0, latent = 0, rope = 0;  // CacheLayout
  std::uint32_t layers = 0;
  std::uint32_t tokens = 0;  // 1 to 64
  std::uint64_t content_bytes = 0;
  Hash128 scope, parent, own, owner;
  Hash128 content;  // checksum of what follows the head
  std::int32_t ids[kPageTokens] = {};
  Hash128 head;  // checksum of all before
};
static_assert(sizeof(PageHead) == 56 + 5 * 16 + kPageTokens * 4 + 16);

PageHead make_head(const PageName& name, const PageShape& shape, const Hash128& content);
Hash128 checksum(const PageHead& head);
// Of the content, layer by layer.
Hash128 checksum(std::span<const std::span<const std::byte>> layers);

// The head is whole, of this version, and the file is as long as it says. The pages of other models and builds pass: it
// is not for the scan to judge them.
bool sound(const PageHead& head, std::uint64_t file_bytes);
CacheLayout layout_of(const PageHead& head);

std::optional<PageHead> read_head(const std::filesystem::path& file);
// The whole page; false where anything is not as expected.
bool read_page(const std::filesystem::path& file, const PageName& name, const PageShape& shape,
               std::span<const std::span<std::byte>> layers);
// Aside (`file` with .tmp), then renamed. False, and nothing left behind, where that failed.
bool write_page(const std::filesystem::path& file, const PageHead& head,
                std::span<const std::span<const std::byte>> layers);

}  // namespace limpid

// The tables that tools/make_unicode_tables.py generates; read them through unicode.h and unicode_normalize.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace limpid::unicode_tables {

extern const std::uint8_t class_stage1[0x1100];  // block of 256 code points -> block of class_stage2
extern const std::uint16_t class_stage2[];       // bits of CharClass
extern const std::uint8_t norm_stage1[0x1100];
extern const std::uint16_t
    norm_stage2[];  // bits 0-7: combining class; 8: may change under NFC; 9: canonical, 10: compatibility mapping

// Full decompositions: key[i] maps to pool[start[i] .. start[i + 1]); keys ascend. Hangul is computed, not listed.
extern const char32_t canonical_key[];
extern const std::uint16_t canonical_start[];
extern const char32_t canonical_pool[];
extern const std::size_t canonical_count;
extern const char32_t compat_key[];
extern const std::uint16_t compat_start[];
extern const char32_t compat_pool[];
extern const std::size_t compat_count;

extern const std::uint64_t compose_key[];  // first << 32 | second, ascending
extern const char32_t compose_value[];
extern const std::size_t compose_count;

}  // namespace limpid::unicode_tables

// content_hash: 64 bits of any bytes, as fast as memory is read (docs/log.md), to run over everything that is loaded. Four lanes, each a chain of folded
// products (the two halves of a 64 x 64 product xored: Wang Yi's wyhash), joined at the end. For telling contents apart, not against somebody who
// looks for two with the same hash. The values are part of no file that must be read for ever: who changes them lets caches start anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace limpid {

std::uint64_t content_hash(std::span<const std::byte> bytes, std::uint64_t seed = 0);

}  // namespace limpid

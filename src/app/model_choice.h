// Which published reasoning models suit a machine: those that fit into its memory and onto its disk, with the speed that
// memory allows, the best first. Pure; the menu of `limpid chat` shows it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hub/catalogue.h"

namespace limpid {

struct MachineFacts {
  std::uint64_t memory = 0;  // bytes available for a model
  std::uint64_t disk = 0;    // bytes free where the store lies
  double bandwidth = 0;      // bytes a second that all threads read from memory
};

struct ModelChoice {
  std::string name;  // NAME:QUANT, as `limpid pull` takes it
  std::string title, good_at;
  double aime = 0;  // AIME 2024, pass@1 in per cent, as published
  std::uint64_t bytes = 0;
  bool exact = false;  // bytes is not rounded
  bool here = false;   // in the store already
  double tokens_per_second = 0;
};

// Weights, a cache of a few thousand tokens, work space.
inline constexpr double kRoomBesideWeights = 1.1;
// Of the measured bandwidth, that decoding reaches (docs/performance.md).
inline constexpr double kBandwidthReached = 0.85;

// Bytes of memory that weights of so many need.
std::uint64_t memory_needed(std::uint64_t weights);

// Of the variants whose size is known; null where none fits into `memory`.
const CatalogueVariant* largest_that_fits(const CatalogueModel& model, std::uint64_t memory);

// What `limpid doctor` lists of a model, of the variants whose size is known: the preferred one, and the largest that fits
// into `memory` or, where none does, the smallest, if that is another.
std::vector<const CatalogueVariant*> listed_variants(const CatalogueModel& model, std::uint64_t memory);

double tokens_per_second(const CatalogueModel& model, std::uint64_t bytes, double bandwidth);

// Tokens a second that a reasoning model should write at least: it thinks for thousands of them.
inline constexpr double kComfortable = 5.0;

// At most `most`: first the best by AIME 2024 of those that write at least 5 tokens a second (a reasoning model thinks for
// thousands of them) or, if none does, the fastest; then the others by AIME 2024. Of each model the preferred quantisation,
// or the largest that fits. `here`: names in the store.
std::vector<ModelChoice> choose_models(const Catalogue& catalogue, const std::vector<std::string>& here,
                                       const MachineFacts& machine, std::size_t most = 4);

}  // namespace limpid

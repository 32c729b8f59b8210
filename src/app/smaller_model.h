// What would fit where a model does not: for the error that says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hub/catalogue.h"
#include "models/load.h"

namespace limpid {

// The model of the catalogue that one of `names` (a name in the store, a file's, general.name) means, of this
// architecture; null: none.
const CatalogueModel* catalogued(const Catalogue& catalogue, const std::string& architecture,
                                 const std::vector<std::string>& names);

// Its largest quantisation that fits into so many bytes, weights, cache and work; null: none.
const CatalogueVariant* largest_that_fits(const CatalogueModel& model, std::uint64_t memory);

// "`limpid pull r1-distill-qwen-7b:Q4_K_M` (4.68 GB) would fit"; where the catalogue does not have the model, or nothing
// smaller of it, where to look for another.
std::string smaller_model(const ModelFiles& files, std::uint64_t memory);

}  // namespace limpid

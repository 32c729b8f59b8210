// norm_rows: RMSNorm (Zhang and Sennrich, 2019) in place, where no product follows that would do it: latent attention's
// latents, which the cache stores normalised.
#pragma once

#include "ops/exec.h"

namespace limpid {

// The first `columns` of every row of x (T, at least columns), in place. Starts after a barrier; each thread writes its
// share of rows; the caller syncs before others read them.
void norm_rows(Exec& ex, Tensor& x, std::int64_t columns, const float* gain, float eps);

}  // namespace limpid

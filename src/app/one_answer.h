// `limpid logits --check`: that the logits of a position depend on the tokens up to it alone, shown on this machine and
// this model by computing them in many ways and comparing every bit.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "app/runner.h"

namespace limpid {

struct OneAnswerResult {
  std::string way;  // "2 threads", "chunks of 7", "3 batch mates"
  bool equal = false;
  std::size_t first_different = 0;  // position, where not equal
};

// Threads 1 to `threads` (at least 3); the whole prompt at once, in chunks and token by token; alone and between other
// sequences; on every instruction set of `tables` (the first is the one that the others are compared with). report is
// called for each as it is done. Throws Error(resources).
std::vector<OneAnswerResult> check_one_answer(const Model& model, CacheType cache_type,
                                              std::span<const std::int32_t> ids, int threads,
                                              std::span<const KernelTable* const> tables,
                                              const std::function<void(const OneAnswerResult&)>& report);

}  // namespace limpid

// ExpertLog: which experts some rows of a step were routed to, written down for who asks to see it. Nothing is written
// where Exec::experts is null.
#pragma once

#include <cstdint>
#include <vector>

namespace limpid {

struct ExpertLog {
  struct Layer {
    int layer = 0;                  // of the model
    int chosen = 0;                 // experts of a row
    std::vector<std::int32_t> ids;  // (rows, chosen): in descending order of the score that chose them
  };
  std::vector<std::int32_t> rows;  // of the step: whose choices are wanted
  std::vector<Layer> layers;       // those that have experts, in the order in which they ran

  // ids (T, chosen) of all rows of the step. By thread 0.
  void add(int layer, const std::int32_t* all, int chosen) {
    Layer& added = layers.emplace_back(Layer{layer, chosen, {}});
    for (const std::int32_t row : rows) {
      const std::int32_t* first = all + static_cast<std::int64_t>(row) * chosen;
      added.ids.insert(added.ids.end(), first, first + chosen);
    }
  }
};

}  // namespace limpid

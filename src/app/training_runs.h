// The runs of training that lie in a folder, as JSON for the browser app: names and stages, and the curves of a stage.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace limpid {

// Every directory in `folder` that holds a run (train/run_log.h); none where the folder is not there. What cannot be
// read is left out: a run may be writing.
nlohmann::json list_runs(const std::string& folder);

// The numbers of a stage by step, at most `most` rows (evenly thinned, the last always there), and its samples. Throws
// Error(not_found) for names that are none; they are names of the listing, never paths.
nlohmann::json run_curves(const std::string& folder, const std::string& run, const std::string& stage,
                          std::size_t most = 2000);

}  // namespace limpid

// A checkpoint of a run: parameters, the optimiser's state, where the data is, and what the run was told. One file that
// appears whole (formats/atomic_file.h), so that whoever is killed or out of disk while writing leaves the one before.
//
//   "LIMPIDCK"  version, bytes of the JSON (u64 each)  JSON  parameters (f32)  optimiser's state (f32)  hash (16 bytes)
//
// The hash is SipHash-128 over the parts, chained. Random numbers have no state: they are Philox at counters that the
// step and the data's position give. Little-endian.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "train/run_changes.h"
#include "train/trainer.h"

namespace limpid {

struct RunState {
  std::int64_t steps = 0, tokens = 0;
  nlohmann::json data;             // of the packer
  double smooth = 0, least = 0;    // of the loss (reinforcement: of the reward, negated), to see a run diverge
  std::vector<RunChange> changes;  // of load_checkpoint: what the run is told otherwise now
};

// `run`: what the run was told, its configuration under "config"; a checkpoint is taken up only by a run that was told
// the same, but for the fields of the configuration in `change`. Throws Error(resources |
// system); the file that was there stays then.
void save_checkpoint(const std::string& path, const nlohmann::json& run, const RunState& state, Trainer& trainer);

// Sets parameters, the optimiser's state and the packed weights. Throws Error(not_found | input) naming the file: for
// one that is damaged, and for one of another run the field and both values. The trainer is untouched then.
RunState load_checkpoint(const std::string& path, const nlohmann::json& run, Trainer& trainer,
                         const std::vector<std::string>& change = {});

}  // namespace limpid

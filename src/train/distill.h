// Distillation: a teacher's traces (traces.h), then a student that is trained on them: from nothing (loop.h) or from
// weights that are there, all of them or by LoRA (sft.h).
//   {"traces": {...},          TraceSettings
//    "train": {...}}           the student's run: with "model" from nothing, else from given weights
// In the directory: traces.jsonl, and what the student's run writes.
//
// One thread calls it.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/loop.h"
#include "train/traces.h"

namespace limpid {

struct DistillConfig {
  std::string path;
  TraceSettings traces;
  RunConfig run;
  bool from_nothing = false;  // the run has a "model"

  // Throws Error(not_found | input) naming file and field.
  static DistillConfig read(const std::string& path);
  static DistillConfig parse(const nlohmann::json& json, const std::string& path);
};

struct DistillOptions {
  std::string student;  // weights to begin with; empty: from nothing
  LoopOptions loop;     // out, resume, threads, ...
  std::function<void(const TraceCounts&)> traced;
};

// Throws what make_traces, train_model and fine_tune throw, and Error(input) where no answer of the teacher is kept.
LoopEnd distil(const DistillConfig& config, Teacher& teacher, const DistillOptions& options);

}  // namespace limpid

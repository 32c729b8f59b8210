// Evaluations of a recipe side by side: what the models of its stages answer, as two tables of plain text.
#pragma once

#include <string>
#include <vector>

#include "train/evaluate.h"

namespace limpid {

struct Evaluated {
  std::string model;  // the stage that made it
  Reasoning reasoning = Reasoning::free;
  EvalReport report;
};

// A row for each model with its rates over everything, then a row for each language and family with a group of columns
// for each model: pass@1 and length, and for up to three models also the share that thinks and pass@1 when thinking is
// forced and when it is forbidden. What nobody measured is left out. "" for nothing.
std::string eval_table(const std::vector<Evaluated>& evaluated);

}  // namespace limpid

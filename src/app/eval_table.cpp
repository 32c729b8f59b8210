#include "app/eval_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "train/pass_rates.h"

namespace limpid {

namespace {

constexpr std::size_t kDetailed = 3;  // models whose families are shown in full
constexpr int kFamily = 9;

const EvalRow* row_of(const Evaluated* from, const std::string& family, const std::string& language) {
  if (from == nullptr) return nullptr;
  const std::vector<EvalRow>& rows = from->report.rows;
  const auto found =
      std::ranges::find_if(rows, [&](const EvalRow& row) { return row.family == family && row.language == language; });
  return found == rows.end() ? nullptr : &*found;
}

// The evaluations of one model.
struct OfModel {
  std::string model;
  const Evaluated *free = nullptr, *forced = nullptr, *none = nullptr;
};

std::vector<OfModel> by_model(const std::vector<Evaluated>& evaluated) {
  std::vector<OfModel> models;
  for (const Evaluated& e : evaluated) {
    if (models.empty() || models.back().model != e.model) models.push_back({e.model});
    OfModel& last = models.back();
    (e.reasoning == Reasoning::free ? last.free : e.reasoning == Reasoning::forced ? last.forced : last.none) = &e;
  }
  return models;
}

std::string percent(const EvalRow* row, double EvalRow::*rate) {
  return row == nullptr || std::isnan(row->*rate) ? "" : fmt::format("{:.1f}", 100 * row->*rate);
}

std::string models_table(const std::vector<OfModel>& models, std::size_t width) {
  const int k = models[0].free != nullptr     ? models[0].free->report.k
                : models[0].forced != nullptr ? models[0].forced->report.k
                                              : models[0].none->report.k;
  std::string out = fmt::format("{:{}}  {:>18}  {:>8}  {:>8}  {:>6}  {:>6}  {:>12}  {:>6}  {:>6}\n", "", width,
                                "pass@1", fmt::format("pass@{}", k), fmt::format("cons@{}", k), "length", "thinks",
                                "one language", "forced", "direct");
  for (const OfModel& m : models) {
    const EvalRow* row = row_of(m.free, "", "");
    std::string pass;
    if (row != nullptr) {
      const Interval interval = wilson(row->pass_1, row->problems);
      pass = fmt::format("{:.1f} [{:.1f}-{:.1f}]", 100 * row->pass_1, 100 * interval.low, 100 * interval.high);
    }
    out += fmt::format("{:{}}  {:>18}  {:>8}  {:>8}  {:>6}  {:>6}  {:>12}  {:>6}  {:>6}\n", m.model, width, pass,
                       percent(row, &EvalRow::pass_k), percent(row, &EvalRow::cons_k),
                       row == nullptr ? "" : fmt::format("{:.1f}", row->tokens), percent(row, &EvalRow::reasoned),
                       percent(row, &EvalRow::one_language), percent(row_of(m.forced, "", ""), &EvalRow::pass_1),
                       percent(row_of(m.none, "", ""), &EvalRow::pass_1));
  }
  return out;
}

std::string family_cells(const OfModel& m, const EvalRow& row, bool detailed) {
  const EvalRow* free = row_of(m.free, row.family, row.language);
  std::string out = fmt::format(" {:>6} {:>6}", percent(free, &EvalRow::pass_1),
                                free == nullptr ? "" : fmt::format("{:.1f}", free->tokens));
  if (detailed)
    out += fmt::format(" {:>6} {:>6} {:>6}", percent(free, &EvalRow::reasoned),
                       percent(row_of(m.forced, row.family, row.language), &EvalRow::pass_1),
                       percent(row_of(m.none, row.family, row.language), &EvalRow::pass_1));
  return out;
}

std::string families_table(const std::vector<OfModel>& models, const std::vector<EvalRow>& rows) {
  const bool detailed = models.size() <= kDetailed;
  std::string names(kFamily, ' '), titles(kFamily, ' ');
  for (const OfModel& m : models) {
    const std::string title = detailed ? " pass@1 length thinks forced direct" : " pass@1 length";
    titles += title;
    names += fmt::format(" {:<{}.{}}", m.model, title.size() - 1, title.size() - 1);
  }
  std::string out = names + "\n" + titles + "\n";
  for (const EvalRow& row : rows) {
    if (!row.family.empty() && !row.language.empty()) continue;
    out += fmt::format("{:{}}",
                       !row.family.empty()     ? row.family
                       : !row.language.empty() ? row.language
                                               : "all",
                       kFamily);
    for (const OfModel& m : models) out += family_cells(m, row, detailed);
    out += "\n";
  }
  return out;
}

}  // namespace

std::string eval_table(const std::vector<Evaluated>& evaluated) {
  if (evaluated.empty()) return "";
  const std::vector<OfModel> models = by_model(evaluated);
  std::size_t width = 5;
  for (const OfModel& m : models) width = std::max(width, m.model.size());
  return models_table(models, width) + "\n" + families_table(models, evaluated[0].report.rows) +
         "per cent, with Wilson's 95 % interval over problems; length in tokens; thinks: share of the answers with "
         "reasoning;\n"
         "one language: words of the thinking in the prompt's language, over the answers that think;\n"
         "forced, direct: pass@1 when every reply has to think, or must not\n";
}

}  // namespace limpid

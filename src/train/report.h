// The report of a run: one page of HTML that needs nothing else - no network, no script - with curves, tables of the
// evaluations, samples of the thinking, the recipe with its sources and what it cost. Light and dark as the reader's
// system is. Everything that comes from a run's files is escaped.
#pragma once

#include <string>

#include "train/run_log.h"

namespace limpid {

struct ReportOptions {
  int refresh_seconds = 0;  // the page asks to be loaded again after so long; 0: never
};

std::string report_page(const RunLog& log, const ReportOptions& options = {});

// Reads the run of a directory and writes the page, whole or not at all. Gives whether the run is finished. Throws what
// read_run and AtomicFile throw.
bool write_report(const std::string& directory, const std::string& out, const ReportOptions& options = {});

// The parts of the page, each a section or "" where the run has nothing for it.
std::string report_summary(const RunLog& log);
std::string report_reinforcement(const StageLog& stage);
std::string report_training(const StageLog& stage);
std::string report_evaluation(const StageLog& stage);
std::string report_traces(const StageLog& stage);
std::string report_recipe(const RunLog& log);
std::string report_cost(const RunLog& log);

// With styles of its own: colours s0 to s8 of lines, tables, figures.
std::string_view report_style();

}  // namespace limpid

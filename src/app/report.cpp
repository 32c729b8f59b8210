// limpid report: what a run did, as one page of HTML.
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "app/commands.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "train/report.h"

namespace limpid {

namespace {

constexpr int kSeconds = 3;  // between two pages of a run that is watched

struct ReportArguments {
  std::string directory, out;
  bool watch = false;
};

int report(const ReportArguments& arguments) {
  const std::string out = arguments.out.empty() ? arguments.directory + "/report.html" : arguments.out;
  Interrupts interrupts;
  bool finished = write_report(arguments.directory, out, {arguments.watch ? kSeconds : 0});
  print("{}\n", out);
  flush_out();
  while (arguments.watch && !finished && !interrupts.requested()) {
    for (int tenth = 0; tenth < 10 * kSeconds && !interrupts.requested(); ++tenth)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    finished = write_report(arguments.directory, out, {kSeconds});
  }
  if (arguments.watch && !finished) write_report(arguments.directory, out);  // nobody renews it any more
  return 0;
}

}  // namespace

void add_report(Program& program) {
  auto arguments = std::make_shared<ReportArguments>();
  Command command = program.add("report", "A run's curves, tables and samples as one page of HTML");
  command.positional("DIR", arguments->directory, "the --out of limpid recipe, train or rl");
  command.option("--out", arguments->out, "the page (DIR/report.html)");
  command.flag("--watch", arguments->watch,
               "write it anew every 3 seconds until the run is finished; the page reloads itself");
  command.examples("limpid report runs/r1-zero\nlimpid report runs/r1-zero --watch");
  command.run([arguments](const Context&) { return report(*arguments); });
}

}  // namespace limpid

// limpid pull: says what it is about to do (size, free disk, whether it will fit into memory), asks, fetches with a
// progress bar.
#include "app/pull.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <mutex>

#include "app/commands.h"
#include "app/format.h"
#include "app/hub_setup.h"
#include "app/interrupt.h"
#include "app/model_choice.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/progress.h"
#include "engine/memory_plan.h"
#include "hub/catalogue.h"
#include "hub/files.h"
#include "hub/pull.h"

namespace limpid {

namespace {

struct PullArguments {
  std::string reference;
  bool yes = false;
  std::int64_t connections = 4;
};

constexpr int kPromptPoll = 100;  // ms

std::string fits_memory(std::uint64_t bytes) {
  const AvailableMemory memory = available_memory();
  const std::uint64_t needed = memory_needed(bytes);
  if (needed <= memory.bytes) return fmt::format("fits into memory ({} available)", human_bytes(memory.bytes));
  return fmt::format("does NOT fit into memory: about {} are needed, {} are available ({})", human_bytes(needed),
                     human_bytes(memory.bytes), memory.limited_by);
}

void describe(const PullPlan& plan) {
  print("{}: {}, {} from {} at {}\n", visible(plan.name), human_bytes(plan.total),
        plan.files.size() == 1 ? "1 file" : fmt::format("{} files", plan.files.size()), plan.repository,
        visible(plan.revision.substr(0, 12)));
  std::uint64_t linked = 0;
  for (const PlannedFile& file : plan.files)
    if (!file.cached.empty()) linked += file.remote.size;
  if (linked > 0) print("  {} is in the Hugging Face cache already and will be linked\n", human_bytes(linked));
  if (plan.to_fetch < plan.total - linked)
    print("  {} still to fetch: an earlier pull left the rest\n", human_bytes(plan.to_fetch));
  print("  disk: {} more needed, {} free\n", human_bytes(plan.disk_needed), human_bytes(plan.disk_free));
  print("  {}\n", fits_memory(plan.total));
  std::size_t unverified = 0;
  for (const PlannedFile& file : plan.files) unverified += file.remote.sha256.empty() && file.remote.git_sha1.empty();
  if (unverified > 0) print("  the hub publishes no hash for {} of the files: they cannot be verified\n", unverified);
  flush_out();
}

// True: go on. Throws when nobody can be asked, or the answer is Ctrl-C.
bool confirm(const PullArguments& arguments, Interrupts& interrupts) {
  if (arguments.yes) return true;
  if (isatty(STDIN_FILENO) == 0)
    fail(ErrorKind::input, "pull asks before it fetches, and standard input is no terminal: add --yes");
  print("Fetch it? [y/N] ");
  flush_out();
  pollfd input{STDIN_FILENO, POLLIN, 0};
  while (poll(&input, 1, kPromptPoll) == 0) {  // the signals wait in Interrupts: a plain read would not end for them
    if (!interrupts.requested()) continue;
    print("\n");
    fail(ErrorKind::cancelled, "stopped; nothing was fetched");
  }
  std::string answer;
  std::getline(std::cin, answer);
  return !answer.empty() && (answer[0] == 'y' || answer[0] == 'Y');
}

// A damaged file of the cache was to be linked and has to cross the network now: not before somebody has agreed to that.
void fetch_instead(const PullPlan& plan, const PlannedFile& file, const std::string& damage,
                   const PullArguments& arguments, Interrupts& interrupts) {
  std::fprintf(stderr, "limpid: %s\n", visible(damage).c_str());
  print("{}: {} to fetch instead\n", visible(file.target.filename().string()), human_bytes(file.remote.size));
  const std::uint64_t free = free_disk(file.target.parent_path());
  if (file.remote.size > free)
    fail(ErrorKind::resources, "{}: {} more needed, {} free on its disk", plan.name, human_bytes(file.remote.size),
         human_bytes(free));
  if (plan.to_fetch == 0 && !confirm(arguments, interrupts)) fail(ErrorKind::cancelled, "nothing was fetched");
}

void fetch(const PullPlan& plan, Hub& hub, Store& store, const PullArguments& arguments, const HubOptions& options,
           Interrupts& interrupts) {
  std::uint64_t fetched = 0;
  for (const PlannedFile& file : plan.files)
    if (!file.present && file.cached.empty()) fetched += file.remote.size;
  DownloadOptions download;
  download.connections = static_cast<int>(arguments.connections);
  download.http = options.http;
  download.retry = options.retry;
  download.retry.attempts = 8;  // of a range, without a byte arriving: about four minutes
  std::string done;
  {
    ProgressBar bar(visible(plan.name), fetched);
    std::unique_ptr<ProgressBar> verifying;
    PullEvents events;
    events.damaged = [&](const PlannedFile& file, const std::string& damage) {
      fetch_instead(plan, file, damage, arguments, interrupts);
      fetched += file.remote.size;
      bar.expect_more(file.remote.size);
    };
    events.begin = [&](const PlannedFile& file) {
      verifying.reset();
      bar.relabel(visible(file.target.filename().string()));
    };
    events.arrived = [&](std::int64_t bytes) { bar.add(bytes); };
    events.resumed = [&](std::uint64_t bytes) { bar.add_existing(bytes); };
    events.verified = [&](std::uint64_t bytes) {
      if (!verifying) verifying = std::make_unique<ProgressBar>("verifying", plan.total);
      verifying->add(static_cast<std::int64_t>(bytes));
    };
    events.waiting = [&] { bar.say("limpid: another limpid is fetching this model; waiting for it"); };
    try {
      const StoredModel model = execute_pull(plan, hub, store, download, events);
      verifying.reset();
      done = fmt::format("{}: {} in {}, verified: {}\n", visible(model.name), human_bytes(bar.arrived()),
                         human_time(bar.seconds()), visible(model.path.string()));
    } catch (const Error& error) {
      verifying.reset();
      if (error.kind() != ErrorKind::cancelled) throw;
      fail(ErrorKind::cancelled, "stopped; {} of {} are kept, the same command goes on from there",
           human_bytes(bar.done()), human_bytes(fetched));
    }
  }
  write_out(done);
}

}  // namespace

bool pull_model(const std::string& reference_text, bool yes, const Context& context, int connections) {
  const PullArguments arguments{reference_text, yes, connections};
  Interrupts interrupts;
  const Catalogue catalogue = Catalogue::built_in();
  const Reference reference = parse_reference(arguments.reference);
  Store store = open_store();
  const std::string name = stored_name(reference, catalogue);
  for (const StoredModel& model : store.list()) {
    std::error_code error;
    if (name.empty() || !equal_ignoring_case(model.name, name) || !std::filesystem::exists(model.path, error)) continue;
    print("{} is here already: {}\n", visible(model.name), visible(model.path.string()));
    return true;
  }
  HubOptions options = hub_options(context.options, [&] { return interrupts.requested(); });
  options.retry.attempts = 4;
  Hub hub(options);
  const PullPlan plan = plan_pull(hub, store, catalogue, reference, hugging_face_cache());
  describe(plan);
  if (plan.disk_needed > plan.disk_free)
    fail(ErrorKind::resources, "{}: {} more needed, {} free on the disk of {}", plan.name,
         human_bytes(plan.disk_needed), human_bytes(plan.disk_free), store.root().string());
  if (plan.to_fetch > 0 && !confirm(arguments, interrupts)) {
    print("nothing fetched\n");
    return false;
  }
  fetch(plan, hub, store, arguments, options, interrupts);
  return true;
}

void add_pull(Program& program) {
  auto arguments = std::make_shared<PullArguments>();
  Command command = program.add("pull", "Fetch a model into the store, over the network");
  command.positional(
      "NAME", arguments->reference,
      "a model of the catalogue (limpid models --catalogue), or hf:OWNER/REPO[@REVISION][:FILE or QUANT]");
  command.flag("-y,--yes", arguments->yes, "do not ask");
  command.option("--connections", arguments->connections, 1, 16, "ranges that are fetched at the same time (4)");
  command.examples(
      "limpid pull r1-distill-qwen-1.5b                  the quantisation that the catalogue prefers\n"
      "limpid pull r1-distill-qwen-7b:Q8_0 --yes\n"
      "limpid pull hf:unsloth/DeepSeek-R1-GGUF:UD-IQ1_S\n"
      "HF_TOKEN=... limpid pull hf:some/gated-model      sent to HF_ENDPOINT (https://huggingface.co) only");
  command.run([arguments](const Context& context) {
    return pull_model(arguments->reference, arguments->yes, context, static_cast<int>(arguments->connections)) ? 0 : 1;
  });
}

}  // namespace limpid

// limpid bench: prefill and decode as fast as they go, beside what memory gives.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/bandwidth.h"
#include "app/built_in.h"
#include "app/commands.h"
#include "app/format.h"
#include "app/model_facts.h"
#include "app/output.h"
#include "app/runner.h"
#include "app/session.h"
#include "base/philox.h"
#include "base/seconds.h"
#include "engine/siphash.h"
#include "models/decoder.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

struct BenchArguments {
  std::string model;
  std::int64_t prompt = 512, tokens = 128, repeats = 5;
  bool json = false;
};

struct Rates {  // tokens a second of each run
  std::vector<double> all;
  double at(double part) const {  // 0: the least, 0.5: the median, 1: the most
    if (all.empty()) return 0;
    std::vector<double> sorted = all;
    std::sort(sorted.begin(), sorted.end());
    const double place = part * static_cast<double>(sorted.size() - 1);
    const auto low = static_cast<std::size_t>(place);
    const std::size_t high = std::min(low + 1, sorted.size() - 1);
    return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
  }
  Json json() const { return {{"median", at(0.5)}, {"min", at(0)}, {"max", at(1)}}; }
};

struct BenchReport {
  Rates prefill, decode;
  std::uint64_t bytes_per_token = 0, logits_hash = 0;
  double memory = 0, load_seconds = 0;  // bytes a second, seconds
  double achieved() const { return decode.at(0.5) * static_cast<double>(bytes_per_token); }
};

std::vector<std::int32_t> prompt_ids(std::int64_t n, int vocabulary) {
  std::vector<std::int32_t> ids;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(n); ++i)
    ids.push_back(static_cast<std::int32_t>(philox(0, {i, 0, 0, 0})[0] % static_cast<std::uint32_t>(vocabulary)));
  return ids;
}

// The prompt from an empty cache, then n tokens one by one from an empty cache, each the likeliest after the one
// before: the hash of the last logits is that of the model and the machine's arithmetic, not of chance.
void measure(Runner& runner, std::span<const std::int32_t> prompt, std::int64_t n, bool counts, BenchReport& report) {
  std::uint64_t hash = 0;
  const auto keep = [&](std::span<const float> logits) { hash = siphash128({}, std::as_bytes(logits)).low; };
  if (prompt.size() > 1) {
    runner.forget(0);
    const auto start = std::chrono::steady_clock::now();
    runner.read(0, prompt, prompt.size() - 1, [&](std::size_t, std::span<const float> logits) { keep(logits); });
    if (counts) report.prefill.all.push_back(static_cast<double>(prompt.size()) / seconds_since(start));
  }
  if (n > 0) {
    runner.forget(0);
    std::int32_t id = prompt.front();
    std::span<const float> logits;
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < n; ++i) {
      const Runner::Part part{0, {&id, 1}, 1};
      logits = runner.step({&part, 1});
      id = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    }
    if (counts) report.decode.all.push_back(static_cast<double>(n) / seconds_since(start));
    keep(logits);
  }
  report.logits_hash = hash;
}

Json to_json(const BenchReport& report, const BenchArguments& arguments, const OpenedModel& opened,
             const Context& context) {
  Json out;
  out["model"] = opened.files.path();
  out["architecture"] = opened.files.config().architecture;
  out["type"] = info(main_type(count_model(opened.files))).name;
  out["compute"] = opened.precision == Precision::exact ? "exact" : "fast";
  out["cache"] = cache_type_name(cache_type_of(context.options, opened.precision));
  out["isa"] = context.kernels().isa;
  out["threads"] = context.threads();
  out["prompt_tokens"] = arguments.prompt;
  out["decode_tokens"] = arguments.tokens;
  out["repeats"] = arguments.repeats;
  if (!report.prefill.all.empty()) out["prefill_tps"] = report.prefill.json();
  if (!report.decode.all.empty()) out["decode_tps"] = report.decode.json();
  out["bytes_per_token"] = report.bytes_per_token;
  if (!report.decode.all.empty()) out["achieved_gbs"] = report.achieved() / 1e9;
  out["memory_gbs"] = report.memory / 1e9;
  out["load_seconds"] = report.load_seconds;
  out["logits_hash"] = fmt::format("{:016x}", report.logits_hash);
  return out;
}

void print_rates(const char* what, std::int64_t n, const Rates& rates) {
  if (!rates.all.empty())
    print("{:<8} {:>6} tokens  {:>9.1f} tokens/s  ({:.1f} to {:.1f})\n", what, n, rates.at(0.5), rates.at(0),
          rates.at(1));
}

int bench(const BenchArguments& arguments, const Context& context) {
  if (arguments.prompt == 0 && arguments.tokens == 0)
    fail(ErrorKind::input, "bench: -p 0 and -n 0 leave nothing to do");
  Interrupts interrupts;
  ModelFiles files = open_model(arguments.model);
  const std::int64_t longest = std::max(arguments.prompt, arguments.tokens);
  if (longest > files.config().context)
    fail(ErrorKind::input, "bench: {} tokens, the model has positions for {}", longest, files.config().context);
  const Precision precision = precision_of(context.options, Precision::fast);
  RunnerOptions options;
  options.threads = context.threads();
  options.cache_type = cache_type_of(context.options, precision);
  options.positions = static_cast<int>(longest);
  options.kernels = &context.kernels();
  options.step_outputs = 1;
  BenchReport report;
  report.memory = memory_bandwidth(options.threads, available_memory().bytes);
  const std::uint64_t besides = Runner::bytes(Decoder(files.config()), options);
  const WhatFits fits = runner_fits(files.config(), options, "-p and -n");
  const OpenedModel opened = load(std::move(files), precision, context, besides, interrupts, fits);
  report.load_seconds = opened.load_seconds;
  report.bytes_per_token = count_model(opened.files).bytes_per_token(precision);
  Runner runner(*opened.model, options);
  std::vector<std::int32_t> prompt = prompt_ids(std::max<std::int64_t>(arguments.prompt, 1), runner.vocabulary());
  if (arguments.prompt == 1) prompt.push_back(prompt.front());
  measure(runner, prompt, std::min<std::int64_t>(arguments.tokens, 16), false, report);  // warms caches and cores
  for (std::int64_t i = 0; i < arguments.repeats; ++i) {
    if (interrupts.requested()) fail(ErrorKind::cancelled, "bench: stopped");
    measure(runner, prompt, arguments.tokens, true, report);
  }
  if (arguments.json) {
    print("{}\n", to_json(report, arguments, opened, context).dump(1));
    return 0;
  }
  print("{}, {}, {} thread{}, {}\n", opened.files.path(), info(main_type(count_model(opened.files))).name,
        options.threads, options.threads == 1 ? "" : "s", options.kernels->isa);
  print_rates("prefill", arguments.prompt, report.prefill);
  print_rates("decode", arguments.tokens, report.decode);
  if (!report.decode.all.empty())
    print("memory   {} read for a token: {:.1f} GB/s of {:.1f} ({:.0f} %)\n", human_bytes(report.bytes_per_token),
          report.achieved() / 1e9, report.memory / 1e9, 100 * report.achieved() / report.memory);
  print("logits   {:016x}\n", report.logits_hash);
  return 0;
}

}  // namespace

void add_bench(Program& program) {
  auto arguments = std::make_shared<BenchArguments>();
  Command command = program.add("bench", "How fast a model reads and writes here, beside what memory gives");
  command.positional("MODEL", arguments->model, "a .gguf, a directory of safetensors, or a name in the store");
  command.option("-p", arguments->prompt, 0, 1 << 24, "tokens of the prompt (512); 0: none");
  command.option("-n", arguments->tokens, 0, 1 << 24, "tokens that are decoded (128), from an empty cache; 0: none");
  command.option("-r", arguments->repeats, 1, 1000, "runs, after one that warms up (5)");
  command.flag("--json", arguments->json, "as JSON");
  command.threads_and_compute();
  command.cache_type();
  command.examples(
      "limpid bench smollm2-135m\nlimpid bench model.gguf -p 2048 -n 64 -t 8 --json | jq .decode_tps.median");
  command.run([arguments](const Context& context) { return bench(*arguments, context); });
}

}  // namespace limpid

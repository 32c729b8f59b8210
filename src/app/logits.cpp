// limpid logits: what the model computes for given ids, bit for bit; and the proof that it is one answer.
#include <memory>
#include <string>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/ids.h"
#include "app/model_facts.h"
#include "app/npy.h"
#include "app/one_answer.h"
#include "app/output.h"
#include "app/session.h"
#include "base/philox.h"
#include "engine/siphash.h"
#include "models/decoder.h"

namespace limpid {

namespace {

struct LogitsArguments {
  std::string model, ids, output;
  bool check = false;
};

constexpr int kCheckTokens = 150;  // more than two pages of the cache

// Exact where the files are what other implementations compute with: F32, and DeepSeek's FP8 safetensors.
Precision usual_precision(const ModelFiles& files) {
  const DType type = main_type(count_model(files));
  return type == DType::f32 || type == DType::f8_e4m3 ? Precision::exact : Precision::fast;
}

std::vector<std::int32_t> check_ids(const ModelConfig& config) {
  std::vector<std::int32_t> ids;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(std::min(kCheckTokens, config.context)); ++i)
    ids.push_back(
        static_cast<std::int32_t>(philox(1, {i, 0, 0, 0})[0] % static_cast<std::uint32_t>(config.vocabulary)));
  return ids;
}

std::vector<std::int32_t> wanted_ids(const LogitsArguments& arguments, const ModelConfig& config) {
  if (arguments.ids.empty()) {
    if (arguments.check) return check_ids(config);
    fail(ErrorKind::input, "logits: --ids is missing");
  }
  std::vector<std::int32_t> ids = parse_ids(arguments.ids, "--ids");
  if (ids.empty()) fail(ErrorKind::input, "--ids: expected at least one token id, found none");
  if (ids.size() > static_cast<std::size_t>(config.context))
    fail(ErrorKind::input, "--ids: {} tokens, the model has positions for {}", ids.size(), config.context);
  for (const std::int32_t id : ids)
    if (id >= config.vocabulary) fail(ErrorKind::input, "--ids: {}, the model has 0 to {}", id, config.vocabulary - 1);
  return ids;
}

int check(const OpenedModel& opened, CacheType cache_type, std::span<const std::int32_t> ids, const Context& context) {
  std::vector<const KernelTable*> tables{&context.kernels()};
  for (const KernelTable* table : kernel_tables())
    if (table != tables.front()) tables.push_back(table);
  print("One answer: {} tokens, {}, {} threads, {}\n", ids.size(),
        opened.precision == Precision::exact ? "exact" : "fast", context.threads(), tables.front()->isa);
  bool equal = true;
  check_one_answer(*opened.model, cache_type, ids, context.threads(), tables, [&](const OneAnswerResult& result) {
    print("  {:<40} {}\n", result.way,
          result.equal ? "equal" : fmt::format("DIFFERENT from position {} on", result.first_different));
    flush_out();
    equal = equal && result.equal;
  });
  write_out(equal ? "Every bit of the logits is the same.\n"
                  : "The logits differ: this build is broken on this machine.\n");
  return equal ? 0 : 1;
}

int write_logits(const LogitsArguments& arguments, const OpenedModel& opened, std::span<const std::int32_t> ids,
                 const RunnerOptions& options) {
  Runner runner(*opened.model, options);
  NpyWriter file(arguments.output, static_cast<std::int64_t>(ids.size()), runner.vocabulary());
  Hash128 last;
  runner.read(0, ids, 0, [&](std::size_t i, std::span<const float> logits) {
    file.write(logits);
    if (i + 1 == ids.size()) last = siphash128({}, std::as_bytes(logits));
  });
  file.finish();
  print("{}: ({}, {}) f32, {}, logits_hash {:016x}\n", arguments.output, ids.size(), runner.vocabulary(),
        opened.precision == Precision::exact ? "exact" : "fast", last.low);
  return 0;
}

int logits(const LogitsArguments& arguments, const Context& context) {
  if (!arguments.check && arguments.output.empty()) fail(ErrorKind::input, "logits: -o FILE.npy is missing");
  if (arguments.output == "-") fail(ErrorKind::input, "logits: -o -: expected a file, which is there only when whole");
  Interrupts interrupts;
  ModelFiles files = open_model(arguments.model);
  const std::vector<std::int32_t> ids = wanted_ids(arguments, files.config());
  const Precision precision = precision_of(context.options, usual_precision(files));
  RunnerOptions options;
  options.threads = context.threads();
  options.cache_type = cache_type_of(context.options, precision);
  options.positions = static_cast<int>(ids.size());
  options.kernels = &context.kernels();
  const std::uint64_t besides = Runner::bytes(Decoder(files.config()), options);
  const WhatFits fits = runner_fits(files.config(), options, "--ids");
  const OpenedModel opened = load(std::move(files), precision, context, besides, interrupts, fits);
  int code = 0;
  if (!arguments.output.empty()) code = write_logits(arguments, opened, ids, options);
  if (arguments.check) code = check(opened, options.cache_type, ids, context);
  return code;
}

}  // namespace

void add_logits(Program& program) {
  auto arguments = std::make_shared<LogitsArguments>();
  Command command = program.add("logits", "The logits of given token ids, for comparison; --check proves one answer");
  command.positional("MODEL", arguments->model, "a .gguf, a directory of safetensors, or a name in the store");
  command.option("--ids", arguments->ids, "token ids, 1,2,3 (with --check alone: 150 random ones)");
  command.option("-o,--output", arguments->output, "a .npy file: f32, (tokens, vocabulary)");
  command.flag("--check", arguments->check,
               "compute them with other threads, chunks, batch mates and instruction sets and compare every bit");
  command.threads_and_compute();
  command.cache_type();
  command.examples(
      "limpid logits model/ --ids 1,2,3 -o logits.npy                 exact for F32 and FP8 files\n"
      "limpid logits model.gguf --ids 1,2,3 -o logits.npy --compute exact\n"
      "limpid logits smollm2-135m --check");
  command.run([arguments](const Context& context) { return logits(*arguments, context); });
}

}  // namespace limpid

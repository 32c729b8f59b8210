// limpid perplexity: how well a model predicts a text, by the procedure of llama.cpp's perplexity program, so that the
// figures compare: windows of N tokens one after the other, the first token of each replaced by BOS where the model
// wants one, and the tokens of the second half scored.
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/input.h"
#include "app/output.h"
#include "app/runner.h"
#include "app/session.h"
#include "models/decoder.h"

namespace limpid {

namespace {

struct PerplexityArguments {
  std::string model, file;
  std::int64_t context = 512, windows = 0;
  bool json = false;
};

struct Score {
  double sum = 0, squares = 0;  // of the negative log-likelihoods
  std::int64_t count = 0;
  double mean() const { return sum / static_cast<double>(count); }
  double perplexity() const { return std::exp(mean()); }
  double error() const {  // standard error of the perplexity
    const double variance = squares / static_cast<double>(count) - mean() * mean();
    return count > 1 && variance > 0 ? std::sqrt(variance / static_cast<double>(count - 1)) * perplexity() : 0.0;
  }
};

double log_sum_exp(std::span<const float> logits) {
  float most = logits[0];
  for (const float value : logits) most = std::max(most, value);
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value - most));
  return static_cast<double>(most) + std::log(sum);
}

std::vector<TokenId> read_tokens(const PerplexityArguments& arguments, const Tokenizer& tokenizer) {
  std::string text = read_text_file(arguments.file);
  if (text.ends_with('\n')) text.pop_back();  // as llama.cpp does
  EncodeOptions options;
  options.bos = tokenizer.add_bos();
  return tokenizer.encode(text, options);
}

// A tokenizer may know more ids than the model has logits for.
void check_ids(const std::vector<TokenId>& tokens, const ModelFiles& files, const PerplexityArguments& arguments) {
  const int vocabulary = files.config().vocabulary;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= vocabulary)
      fail(ErrorKind::input, "{}: token {} of {} is id {}, the model has 0 to {}: the tokenizer is another model's",
           files.path(), i, arguments.file, tokens[i], vocabulary - 1);
}

Score score_window(Runner& runner, std::span<const TokenId> window) {
  Score score;
  const std::size_t first = window.size() / 2;
  runner.forget(0);
  runner.read(0, window.first(window.size() - 1), first, [&](std::size_t i, std::span<const float> logits) {
    const double loss = log_sum_exp(logits) - static_cast<double>(logits[static_cast<std::size_t>(window[i + 1])]);
    score.sum += loss;
    score.squares += loss * loss;
    ++score.count;
  });
  return score;
}

int perplexity(const PerplexityArguments& arguments, const Context& context) {
  Interrupts interrupts;
  ModelFiles files = open_model(arguments.model);
  const Tokenizer tokenizer = open_tokenizer(files);
  std::vector<TokenId> tokens = read_tokens(arguments, tokenizer);
  check_ids(tokens, files, arguments);
  const auto width = static_cast<std::size_t>(arguments.context);
  if (width > static_cast<std::size_t>(files.config().context))
    fail(ErrorKind::input, "--context {}: the model has {}", width, files.config().context);
  std::size_t windows = tokens.size() / width;
  if (windows == 0)
    fail(ErrorKind::input, "{}: {} tokens, at least {} are needed", arguments.file, tokens.size(), width);
  if (arguments.windows > 0) windows = std::min(windows, static_cast<std::size_t>(arguments.windows));
  const TokenId bos = tokenizer.add_bos() ? tokenizer.bos().value_or(-1) : -1;  // -1: none
  if (bos >= 0) check_ids({bos}, files, arguments);
  const Precision precision = precision_of(context.options, Precision::fast);
  RunnerOptions options;
  options.threads = context.threads();
  options.cache_type = cache_type_of(context.options, precision);
  options.positions = static_cast<int>(width);
  options.kernels = &context.kernels();
  const std::uint64_t besides = Runner::bytes(Decoder(files.config()), options);
  const WhatFits fits = runner_fits(files.config(), options, "--context");
  const OpenedModel opened = load(std::move(files), precision, context, besides, interrupts, fits);
  Runner runner(*opened.model, options);
  Score total;
  for (std::size_t w = 0; w < windows; ++w) {
    if (interrupts.requested()) fail(ErrorKind::cancelled, "perplexity: stopped after {} of {} windows", w, windows);
    const std::span<TokenId> window(tokens.data() + w * width, width);
    if (bos >= 0) window[0] = bos;
    const Score score = score_window(runner, window);
    total.sum += score.sum;
    total.squares += score.squares;
    total.count += score.count;
    if (!arguments.json) print("[{}]{:.4f}{}", w + 1, total.perplexity(), w + 1 == windows ? "\n" : " ");
    if (!arguments.json) flush_out();
  }
  if (total.count == 0 || !std::isfinite(total.mean()))
    fail(ErrorKind::input, "{}: no perplexity: {} tokens scored, mean loss {}", arguments.file, total.count,
         total.mean());
  if (arguments.json) {
    const nlohmann::ordered_json out = {{"perplexity", total.perplexity()},
                                        {"error", total.error()},
                                        {"scored", total.count},
                                        {"windows", windows},
                                        {"context", width},
                                        {"tokens", tokens.size()},
                                        {"bos", tokenizer.add_bos()},
                                        {"compute", precision == Precision::exact ? "exact" : "fast"},
                                        {"cache", cache_type_name(options.cache_type)},
                                        {"isa", options.kernels->isa}};
    print("{}\n", out.dump(1));
  } else {
    print("perplexity {:.4f} +/- {:.4f} over {} tokens in {} windows of {}\n", total.perplexity(), total.error(),
          total.count, windows, width);
  }
  return 0;
}

}  // namespace

void add_perplexity(Program& program) {
  auto arguments = std::make_shared<PerplexityArguments>();
  Command command = program.add("perplexity", "How well a model predicts a text, by llama.cpp's procedure");
  command.positional("MODEL", arguments->model, "a .gguf, a directory of safetensors, or a name in the store");
  command.positional("FILE", arguments->file, "the text; - is standard input");
  command.option("-c,--context", arguments->context, 3, 1 << 24, "tokens in a window (512)");
  command.option("--windows", arguments->windows, 1, 1 << 24, "only that many windows from the start");
  command.flag("--json", arguments->json, "as JSON");
  command.threads_and_compute();
  command.cache_type();
  command.examples(
      "limpid perplexity smollm2-135m wiki.test.raw\nlimpid perplexity model.gguf text.txt --context 2048 --json");
  command.run([arguments](const Context& context) { return perplexity(*arguments, context); });
}

}  // namespace limpid

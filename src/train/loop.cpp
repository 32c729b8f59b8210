#include "train/loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/seconds.h"
#include "train/run_checkpoint.h"
#include "train/run_directory.h"

namespace limpid {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kLossSmoothing = 0.05;  // of the loss: a memory of about 20 steps
constexpr std::int64_t kUnjudged = 20;   // first steps, which may go up

class Loop {
 public:
  Loop(const RunConfig& config, RunSetup setup, const LoopOptions& options)
      : config_(config),
        options_(options),
        setup_(std::move(setup)),
        checkpoint_(options.out + "/" + kCheckpointName),
        taken_up_(std::filesystem::exists(checkpoint_)),
        packer_(*setup_.source, {config.length, config.mask_documents}),
        trainer_(setup_.model, {config.precision, options.threads, options.kernels, 0, config.lora}, config.optimiser) {
  }

  LoopEnd run() {
    begin();
    MetricsFile metrics(options_.out + "/metrics.jsonl", state_.steps);
    const Clock::time_point start = Clock::now();
    bool stopped = false;
    while (!stopped && config_.done(state_.steps, state_.tokens) < 1) {
      step(metrics);
      stopped = options_.stop && options_.stop();
      if ((stopped || state_.steps % config_.checkpoint_steps == 0) && !climbs(config_.divergence / 2)) save();
    }
    LoopEnd end{!stopped || config_.done(state_.steps, state_.tokens) >= 1, state_.steps, state_.tokens, state_.smooth,
                seconds_since(start)};
    if (!end.finished) {
      end.steps = saved_;  // where it goes on
      return end;
    }
    save();
    setup_.finish(trainer_);
    return end;
  }

 private:
  void say(const std::string& line) const {
    if (options_.say) options_.say(line);
  }

  void begin() {
    if (setup_.frozen) setup_.frozen(trainer_);
    if (taken_up_) {
      state_ = load_checkpoint(checkpoint_, setup_.run, trainer_, options_.change);
      keep_changes(options_.out, state_.steps, state_.changes);
      packer_.restore(state_.data);
      say(fmt::format("goes on from step {} of {}", state_.steps, checkpoint_));
    } else {
      setup_.begin(trainer_);
      trainer_.refresh();
    }
    saved_ = state_.steps;
    say(fmt::format("{} parameters, {} of them trained, {} ids", trainer_.store().size(), trainer_.trained(),
                    setup_.tokenizer->vocabulary_size()));
  }

  void step(MetricsFile& metrics) {
    const Clock::time_point start = Clock::now();
    const double done = config_.done(state_.steps, state_.tokens);
    const Schedule& schedule = config_.schedule;
    const std::vector<PackedBatch> batches =
        packer_.take(schedule.rows_at(done, config_.batch_tokens), config_.forward_tokens);
    StepPlan plan{schedule.rate_at(done, state_.steps), schedule.mtp_weight.at(done), config_.balance_loss,
                  schedule.balance_speed.at(done)};
    const StepResult result = trainer_.step(batches, plan);
    ++state_.steps;
    state_.tokens += result.predicted;
    judge(result, plan.rate);
    const double seconds = seconds_since(start);
    metrics.add({{"step", state_.steps},
                 {"tokens", state_.tokens},
                 {"rows", result.tokens},
                 {"loss", result.loss},
                 {"mtp_loss", result.mtp_loss},
                 {"balance_loss", result.balance_loss},
                 {"violation", result.violation},
                 {"norm", result.norm},
                 {"rate", plan.rate},
                 {"seconds", seconds}});
    report(result, plan.rate, seconds);
  }

  // The loss, smoothed, is so far above its least. No checkpoint is written half-way to divergence, so that the last one is
  // good: going on from it makes the steps since then again.
  bool climbs(double by) const {
    return config_.divergence > 0 && state_.steps > kUnjudged && state_.smooth > state_.least + by;
  }

  // Stops a run that went wrong, before its checkpoint is written over.
  void judge(const StepResult& result, double rate) {
    const auto advice = [&] {
      return fmt::format(
          "{} Try a lower schedule.learning_rate (now {:.3g}), a longer schedule.warmup_steps (now {}) or a smaller "
          "optimiser.clip (now {}): change it and {}",
          saved_ > 0 ? fmt::format("The checkpoint of step {} in {} is intact.", saved_, checkpoint_)
                     : "There is no checkpoint yet.",
          rate, config_.schedule.warmup_steps, config_.optimiser.clip,
          !options_.retry.empty() ? options_.retry
          : saved_ > 0            ? "go on with --resume --change FIELD, which names what you changed"
                                  : "begin anew");
    };
    if (!result.finite())
      fail(ErrorKind::input, "training: step {}: the loss is {} and the gradient's norm {}. {}", state_.steps,
           result.loss, result.norm, advice());
    state_.smooth = state_.steps == 1 ? result.loss : state_.smooth + kLossSmoothing * (result.loss - state_.smooth);
    if (state_.steps == 1 || state_.smooth < state_.least) state_.least = state_.smooth;
    if (climbs(config_.divergence))
      fail(ErrorKind::input, "training: step {}: the run diverges: its loss, smoothed, is {:.3f} and was {:.3f}. {}",
           state_.steps, state_.smooth, state_.least, advice());
  }

  void report(const StepResult& result, double rate, double seconds) {
    const double weight = speed_seconds_ == 0 ? 1 : std::min(1.0, seconds / 2);  // over about two seconds
    speed_tokens_ += weight * (static_cast<double>(result.tokens) - speed_tokens_);
    speed_seconds_ += weight * (seconds - speed_seconds_);
    if (!options_.progress) return;
    Progress p;
    p.step = state_.steps;
    p.tokens = state_.tokens;
    p.done = config_.done(state_.steps, state_.tokens);
    p.result = result;
    p.rate = rate;
    p.tokens_per_second = speed_tokens_ / speed_seconds_;
    if (options_.peak_flops > 0) p.peak_share = p.tokens_per_second * trainer_.flops_per_token() / options_.peak_flops;
    const double predicted = p.tokens_per_second * static_cast<double>(result.predicted) /
                             static_cast<double>(std::max<std::int64_t>(result.tokens, 1));
    p.seconds_left = config_.steps > 0
                         ? static_cast<double>(config_.steps - state_.steps) * speed_seconds_
                         : static_cast<double>(std::max<std::int64_t>(0, config_.tokens - state_.tokens)) /
                               std::max(predicted, 1e-9);
    options_.progress(p);
  }

  void save() {
    if (saved_ == state_.steps && state_.steps > 0) return;
    state_.data = packer_.state();
    save_checkpoint(checkpoint_, setup_.run, state_, trainer_);
    saved_ = state_.steps;
  }

  const RunConfig& config_;
  const LoopOptions& options_;
  const RunSetup setup_;
  const std::string checkpoint_;
  const bool taken_up_;
  Packer packer_;
  Trainer trainer_;
  RunState state_;
  std::int64_t saved_ = 0;  // step of the last checkpoint
  double speed_tokens_ = 0, speed_seconds_ = 0;
};

}  // namespace

bool prepare_run(const LoopOptions& options) {
  check_changes(options.change, changeable_in_training(), options.resume);
  std::filesystem::create_directories(options.out);
  const std::string checkpoint = options.out + "/" + kCheckpointName;
  const bool there = std::filesystem::exists(checkpoint);
  if (there && !options.resume)
    fail(ErrorKind::input, "{}: there is a checkpoint already: --resume goes on from it, another --out begins anew",
         checkpoint);
  return there;
}

LoopEnd run_loop(const RunConfig& config, RunSetup setup, const LoopOptions& options) {
  return Loop(config, std::move(setup), options).run();
}

LoopEnd train_model(const RunConfig& config, const DataSpec& data, const LoopOptions& options) {
  const bool taken_up = prepare_run(options);
  RunSetup setup;
  setup.tokenizer = std::make_shared<const Tokenizer>(prepare_tokenizer(config, data, options.out, taken_up));
  setup.run = describe_run(config, data, options.out + "/tokenizer.json");
  setup.source = data.open(*setup.tokenizer, {config.seed, static_cast<float>(config.prompt_weight), config.fim});
  setup.model = prepare_model_config(config, *setup.tokenizer, options.out);
  setup.begin = [&](Trainer& trainer) { trainer.store().initialise(config.seed, config.initial_deviation); };
  setup.finish = [&](const Trainer& trainer) { trainer.store().save(options.out + "/model.safetensors"); };
  return run_loop(config, std::move(setup), options);
}

}  // namespace limpid

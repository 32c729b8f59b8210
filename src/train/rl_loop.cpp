#include "train/rl_loop.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/json.h"
#include "models/load.h"
#include "train/fields.h"
#include "train/mix_field.h"
#include "train/run_checkpoint.h"
#include "train/run_directory.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;

constexpr double kRewardSmoothing = 0.1;  // of the reward: a memory of about ten steps

class RlLoop {
 public:
  RlLoop(const RlConfig& config, const RlOptions& options)
      : config_(config),
        options_(options),
        checkpoint_(options.out + "/" + kCheckpointName),
        taken_up_(prepare(options, checkpoint_)),
        files_(ModelFiles::open(options.model)),
        tokenizer_(Tokenizer::open(options.model)),
        run_(describe()),
        trainer_(files_.config(), {config.grpo.precision, options.threads, options.kernels}, config.grpo.optimiser),
        shown_(generate_suite(config.mix, Split::held_out, config.grpo.seed, 1)) {
    trainer_.store().load(files_.weights());
    trainer_.refresh();
    grpo_ = std::make_unique<Grpo>(trainer_, tokenizer_, config.mix, config.grpo, options.threads, *options.kernels);
    if (static_cast<int>(shown_.size()) > config.samples) shown_.resize(static_cast<std::size_t>(config.samples));
  }

  RlEnd run() {
    if (taken_up_) take_up();
    saved_ = state_.steps;
    MetricsFile metrics(options_.out + "/metrics.jsonl", state_.steps);
    MetricsFile samples(options_.out + "/samples.jsonl", state_.steps - 1);
    std::optional<MetricsFile> rollouts;
    if (options_.log_rollouts) {
      rollouts.emplace(options_.out + "/rollouts.jsonl", state_.steps);
      grpo_->log([&](const GrpoRecord& record) { rollouts->add(line_of(record)); });
    }
    bool stopped = false;
    while (!stopped && state_.steps < config_.grpo.steps) {
      if (state_.steps % config_.samples_steps == 0) show(samples);
      const GrpoMetrics m = step();
      state_.steps = grpo_->steps();
      state_.tokens += m.rollout_tokens;
      nlohmann::ordered_json line = m.json();
      line["rollout_tokens"] = m.rollout_tokens;
      line["rollout_seconds"] = m.rollout_seconds;
      line["train_seconds"] = m.train_seconds;
      metrics.add(line);
      if (options_.progress) options_.progress(m);
      judge(m);
      stopped = options_.stop && options_.stop();
      if ((stopped || state_.steps % config_.checkpoint_steps == 0) && !falls(config_.grpo.divergence / 2)) save();
    }
    if (state_.steps < config_.grpo.steps) return {false, saved_};
    save();
    show(samples);
    trainer_.store().save(options_.out + "/model.safetensors");
    return {true, state_.steps};
  }

 private:
  static bool prepare(const RlOptions& options, const std::string& checkpoint) {
    check_changes(options.change, changeable_in_reinforcement(), options.resume);
    fs::create_directories(options.out);
    if (fs::equivalent(options.model, options.out))
      fail(ErrorKind::input, "{}: --out is the model's own directory", options.out);
    const bool there = fs::exists(checkpoint);
    if (there && !options.resume)
      fail(ErrorKind::input, "{}: there is a checkpoint already: --resume goes on from it, another --out begins anew",
           checkpoint);
    for (const char* name : {"/config.json", "/tokenizer.json", "/tokenizer_config.json"})
      copy(options.model + name, options.out + name);
    return there;
  }

  static void copy(const std::string& from, const std::string& to) {
    const MappedFile bytes(from);
    AtomicFile file(to);
    file.write(bytes.bytes());
    file.commit();
  }

  nlohmann::json describe() const {
    nlohmann::json told = *config_.json;
    told.erase("checkpoint_steps");
    told.erase("sources");
    return {{"config", told},
            {"model", file_hash(options_.model + "/model.safetensors")},
            {"tokenizer", file_hash(options_.model + "/tokenizer.json")}};
  }

  nlohmann::ordered_json line_of(const GrpoRecord& r) const {
    nlohmann::ordered_json line = {{"step", r.step},
                                   {"prompt", r.prompt},
                                   {"ids", r.rollout.ids},
                                   {"logprobs", r.rollout.logprobs},
                                   {"temperature", config_.grpo.temperature},
                                   {"finished", r.rollout.finished},
                                   {"reward", r.reward},
                                   {"advantage", nullptr},
                                   {"update", nullptr}};
    if (r.update >= 0) line["advantage"] = r.advantage, line["update"] = r.update;
    return line;
  }

  GrpoMetrics step() {
    try {
      return grpo_->step();
    } catch (const Error& error) {
      fail(error.kind(), "step {}: {}. {}", state_.steps + 1, error.what(), advice());
    }
  }

  std::string advice() const {
    const GrpoSettings& s = config_.grpo;
    return fmt::format(
        "{} Try a lower grpo.learning_rate (now {:.3g}), a longer grpo.warmup_steps (now {}), a smaller "
        "grpo.optimiser.clip (now {}) or a "
        "closer grpo.clip_high (now {}): change it and {}",
        saved_ > 0 ? fmt::format("The checkpoint of step {} in {} is intact.", saved_, checkpoint_)
                   : "There is no checkpoint yet.",
        s.learning_rate, s.warmup_steps, s.optimiser.clip, s.clip_high,
        !options_.retry.empty() ? options_.retry
        : saved_ > 0            ? "go on with --resume --change FIELD, which names what you changed"
                                : "begin anew");
  }

  // The reward, smoothed, is so far below its best. What rewards by lot do teaches nothing. No checkpoint is written half-way
  // to divergence, so that the last one is good.
  bool falls(double by) const {
    return config_.grpo.divergence > 0 && !config_.grpo.shuffle_rewards && state_.smooth > state_.least + by;
  }

  void judge(const GrpoMetrics& m) {
    state_.smooth = state_.steps == 1 ? -m.reward : state_.smooth + kRewardSmoothing * (-m.reward - state_.smooth);
    if (state_.steps == 1 || state_.smooth < state_.least) state_.least = state_.smooth;
    if (falls(config_.grpo.divergence))
      fail(ErrorKind::input, "step {}: the run diverges: its reward, smoothed, is {:.3f} and was {:.3f}. {}",
           state_.steps, -state_.smooth, -state_.least, advice());
  }

  std::string reference_path(std::int64_t step) const { return fmt::format("{}/reference-{}", options_.out, step); }

  void take_up() {
    state_ = load_checkpoint(checkpoint_, run_, trainer_, options_.change);
    keep_changes(options_.out, state_.steps, state_.changes);
    if (ParameterStore* reference = grpo_->reference()) {
      const std::int64_t step = grpo_->reference_step(state_.steps);
      reference->load(step == 0 ? files_.weights() : ModelFiles::open(reference_path(step)).weights());
      reference_saved_ = step;
    }
    grpo_->restore(state_.steps);
  }

  // The reference first: a checkpoint never names one that is not there.
  void save() {
    if (saved_ == state_.steps) return;
    const std::int64_t step = grpo_->reference_step(state_.steps);
    if (grpo_->reference() != nullptr && step > 0 && step != reference_saved_) {
      fs::create_directories(reference_path(step));
      copy(options_.out + "/config.json", reference_path(step) + "/config.json");
      grpo_->reference()->save(reference_path(step) + "/model.safetensors");
    }
    save_checkpoint(checkpoint_, run_, state_, trainer_);
    if (reference_saved_ > 0 && step != reference_saved_) fs::remove_all(reference_path(reference_saved_));
    reference_saved_ = step;
    saved_ = state_.steps;
  }

  void show(MetricsFile& file) {
    const EvalReport report = grpo_->ask(shown_, 1, Reasoning::free, config_.grpo.temperature);
    for (const EvalAnswer& answer : report.answers) {
      const EvalProblem& problem = shown_[answer.problem];
      // Replies may be cut inside a character: what is no UTF-8 is replaced.
      const std::string reply =
          nlohmann::json::parse(
              nlohmann::json(answer.reply).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
              .get<std::string>();
      file.add({{"step", state_.steps},
                {"family", problem.family},
                {"language", problem.language},
                {"prompt", problem.sample.prompt},
                {"reply", reply},
                {"answer", problem.sample.answer},
                {"correct", answer.correct},
                {"tokens", answer.tokens}});
      if (options_.sample) options_.sample(state_.steps, problem, answer);
    }
  }

  const RlConfig& config_;
  const RlOptions& options_;
  const std::string checkpoint_;
  const bool taken_up_;
  const ModelFiles files_;
  const Tokenizer tokenizer_;
  const nlohmann::json run_;
  Trainer trainer_;
  std::vector<EvalProblem> shown_;
  std::unique_ptr<Grpo> grpo_;
  RunState state_;
  std::int64_t saved_ = 0, reference_saved_ = 0;
};

}  // namespace

RlConfig RlConfig::read(const std::string& path) { return parse(read_json(path), path); }

RlConfig RlConfig::parse(const nlohmann::json& json, const std::string& path) {
  RlConfig c;
  c.path = path;
  c.json = std::make_shared<const nlohmann::json>(json);
  Fields fields(*c.json, path);
  c.mix = read_mix_field(fields.any("mix"), fields.where("mix"));
  const nlohmann::json* grpo = fields.any("grpo");
  c.grpo = GrpoSettings::parse(grpo != nullptr ? *grpo : nlohmann::json::object(), fields.where("grpo"));
  c.checkpoint_steps = fields.integer("checkpoint_steps", c.checkpoint_steps, 1, 1 << 30);
  c.samples_steps = fields.integer("samples_steps", c.samples_steps, 1, 1 << 30);
  c.samples = static_cast<int>(fields.integer("samples", c.samples, 0, 1000));
  fields.any("sources");  // for readers
  fields.done();
  return c;
}

RlEnd reinforce(const RlConfig& config, const RlOptions& options) { return RlLoop(config, options).run(); }

}  // namespace limpid

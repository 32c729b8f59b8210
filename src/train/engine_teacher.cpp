// A teacher of this machine: a model in the engine, all answers to a chunk of problems in one batch.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/mapped_file.h"
#include "chat/prompt.h"
#include "engine/siphash.h"

#include "models/load.h"
#include "tensor/layout.h"
#include "train/rollout.h"
#include "train/traces.h"

namespace limpid {

namespace {

class EngineTeacher final : public Teacher {
 public:
  EngineTeacher(const std::string& model, int threads, const KernelTable& kernels)
      : files_(ModelFiles::open(model)),
        tokenizer_(Tokenizer::open(files_.tokenizer_path())),
        builder_(tokenizer_, files_.chat_template()),
        model_(load_model(files_, Precision::fast, threads)),
        threads_(threads),
        kernels_(kernels) {
    stop_ids_.assign(tokenizer_.end_ids().begin(), tokenizer_.end_ids().end());
    for (const std::int32_t id : files_.end_ids())
      if (std::ranges::find(stop_ids_, id) == stop_ids_.end()) stop_ids_.push_back(id);
  }

  std::vector<TeacherAnswer> answer(std::span<const Sample> problems, std::uint64_t first,
                                    const TraceSettings& settings, const std::function<bool()>& stop) override {
    std::vector<std::vector<std::int32_t>> prompts;
    std::vector<bool> inside;
    std::size_t longest = 0;
    for (const Sample& problem : problems) {
      PromptRequest request;
      request.messages = nlohmann::ordered_json::array({{{"role", "user"}, {"content", problem.prompt}}});
      ChatPrompt prompt = builder_.build(request);
      longest = std::max(longest, prompt.ids.size());
      inside.push_back(prompt.inside_thinking);
      prompts.push_back(std::move(prompt.ids));
    }
    prepare(static_cast<int>(longest) + settings.max_tokens, settings.rows);
    RolloutOptions options;
    options.samples = settings.samples;
    options.max_tokens = settings.max_tokens;
    options.sampling.temperature = static_cast<float>(settings.temperature);
    options.sampling.top_p = static_cast<float>(settings.top_p);
    options.sampling.seed = settings.seed;
    options.stop_ids = stop_ids_;
    options.first_sequence = first;
    options.progress = [&](std::size_t) { return !stop(); };
    const std::vector<Rollout> rollouts = roll_out(*engine_, prompts, options);
    std::vector<TeacherAnswer> answers;
    for (std::size_t i = 0; i < rollouts.size(); ++i) {
      std::span<const std::int32_t> ids(rollouts[i].ids);
      const auto tokens = static_cast<int>(ids.size());
      if (rollouts[i].finished) ids = ids.first(ids.size() - 1);  // the stop id is no text
      const bool begun = inside[i / static_cast<std::size_t>(settings.samples)];
      answers.push_back({(begun ? "<think>\n" : "") + tokenizer_.decode(ids), tokens, rollouts[i].finished});
    }
    return answers;
  }

  nlohmann::json describe() const override {
    Hash128 hash;
    for (const std::string& path : files_.weights().files()) hash = siphash128(hash, MappedFile(path).bytes());
    return {{"model", fmt::format("{:016x}{:016x}", hash.high, hash.low)}};
  }

 private:
  // An engine whose sequences hold so many positions; an answer does not depend on it.
  void prepare(int positions, int rows) {
    const int wanted = std::min((positions + kPageTokens - 1) / kPageTokens * kPageTokens, files_.config().context);
    if (engine_ && wanted <= positions_) return;
    engine_.reset();
    engine_ = std::make_unique<Engine>(*model_, rollout_engine(rows, wanted, CacheType::f16, threads_, kernels_));
    positions_ = wanted;
  }

  const ModelFiles files_;
  const Tokenizer tokenizer_;
  const PromptBuilder builder_;
  const std::unique_ptr<Model> model_;
  const int threads_;
  const KernelTable& kernels_;
  std::vector<std::int32_t> stop_ids_;
  std::unique_ptr<Engine> engine_;
  int positions_ = 0;
};

}  // namespace

std::unique_ptr<Teacher> engine_teacher(const std::string& model, int threads, const KernelTable& kernels) {
  return std::make_unique<EngineTeacher>(model, threads, kernels);
}

}  // namespace limpid

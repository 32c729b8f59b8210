// limpid acceptance: what speculative decoding with a model's layer of multi-token prediction would accept.
#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/session.h"
#include "app/train_line.h"
#include "base/error.h"
#include "chat/prompt.h"
#include "tensor/layout.h"
#include "train/evaluate.h"
#include "train/mtp_acceptance.h"

namespace limpid {

namespace {

struct AcceptanceArguments {
  std::string model, suite;
  std::int64_t count = 20, tokens = 256, level = 0, seed = 0, rows = 64;
  double temperature = 0;
  bool json = false;
};

struct Share {
  std::int64_t proposed = 0, accepted = 0;
  double value() const { return proposed > 0 ? static_cast<double>(accepted) / static_cast<double>(proposed) : 0; }
};

// Of a family, and of everything ("all").
struct Shares {
  Share thinking, answer;
  Share both() const { return {thinking.proposed + answer.proposed, thinking.accepted + answer.accepted}; }
};

std::vector<std::vector<std::int32_t>> prompts_of(const PromptBuilder& builder,
                                                  const std::vector<EvalProblem>& problems) {
  std::vector<std::vector<std::int32_t>> prompts;
  for (const EvalProblem& problem : problems) {
    PromptRequest request;
    request.messages = nlohmann::ordered_json::array({{{"role", "user"}, {"content", problem.sample.prompt}}});
    prompts.push_back(builder.build(request).ids);
  }
  return prompts;
}

// The answer's tokens up to </think> are thinking; an answer that never closes it is thinking to its end.
void count(std::span<const std::int32_t> answer, std::span<const std::uint8_t> accepted,
           std::optional<TokenId> end_of_thinking, Shares& shares) {
  const auto end = end_of_thinking ? std::ranges::find(answer, *end_of_thinking) : answer.begin();
  const auto thought = end_of_thinking ? std::min<std::ptrdiff_t>(end - answer.begin() + 1, std::ssize(answer)) : 0;
  for (std::ptrdiff_t i = 0; i < std::ssize(answer); ++i) {
    Share& share = i < thought ? shares.thinking : shares.answer;
    ++share.proposed;
    share.accepted += accepted[static_cast<std::size_t>(i)];
  }
}

void print_shares(const std::map<std::string, Shares>& shares) {
  print("{:10} {:>16} {:>16} {:>16}\n", "family", "thinking", "answer", "both");
  const auto cell = [](const Share& share) {
    return share.proposed == 0 ? "-" : fmt::format("{:.1f} % of {}", 100 * share.value(), share.proposed);
  };
  for (const auto& [family, of] : shares)
    print("{:10} {:>16} {:>16} {:>16}\n", family, cell(of.thinking), cell(of.answer), cell(of.both()));
}

void print_json(const AcceptanceArguments& arguments, const std::map<std::string, Shares>& shares) {
  const auto object = [](const Share& s) {
    return nlohmann::ordered_json{{"proposed", s.proposed}, {"accepted", s.accepted}, {"share", s.value()}};
  };
  nlohmann::ordered_json rows = nlohmann::ordered_json::object();
  for (const auto& [family, of] : shares)
    rows[family] = {{"thinking", object(of.thinking)}, {"answer", object(of.answer)}, {"both", object(of.both())}};
  print("{}\n", nlohmann::ordered_json{{"model", arguments.model},
                                       {"suite", arguments.suite},
                                       {"temperature", arguments.temperature},
                                       {"families", rows}}
                    .dump(1));
}

int acceptance(const AcceptanceArguments& arguments, const Context& context) {
  Interrupts interrupts;
  const std::vector<EvalProblem> problems =
      open_suite(arguments.suite, Split::held_out, static_cast<std::uint64_t>(arguments.seed),
                 static_cast<int>(arguments.count), static_cast<int>(arguments.level));
  const ModelFiles files = open_model(arguments.model);
  if (files.config().mtp_layers < 1)
    fail(ErrorKind::unsupported, "{}: it has no layer of multi-token prediction", arguments.model);
  const Tokenizer tokenizer = open_tokenizer(files);
  const PromptBuilder builder(tokenizer, files.chat_template());
  const std::vector<std::vector<std::int32_t>> prompts = prompts_of(builder, problems);
  std::size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  const auto positions = static_cast<int>(longest + static_cast<std::size_t>(arguments.tokens));
  if (positions > files.config().context)
    fail(ErrorKind::input, "prompts of {} tokens and {} of answer (--max-tokens): the model has a context of {}",
         longest, arguments.tokens, files.config().context);
  const Precision precision = precision_of(context.options, Precision::fast);
  const CacheType cache = precision == Precision::exact ? CacheType::f32 : CacheType::f16;
  const std::unique_ptr<Decoder> decoder = load_decoder(files, precision, context.threads(), {}, {.mtp = true});
  Engine engine(*decoder, rollout_engine(static_cast<int>(arguments.rows), positions, cache, context.threads(),
                                         context.kernels()));

  RolloutOptions rollout;
  rollout.max_tokens = static_cast<int>(arguments.tokens);
  rollout.sampling.temperature = static_cast<float>(arguments.temperature);
  rollout.sampling.seed = static_cast<std::uint64_t>(arguments.seed);
  rollout.stop_ids.assign(tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  for (const std::int32_t id : files.end_ids())
    if (std::ranges::find(rollout.stop_ids, id) == rollout.stop_ids.end()) rollout.stop_ids.push_back(id);
  TrainLine line;
  rollout.progress = [&](std::size_t ended) {
    line.answers(arguments.model, ended, problems.size());
    return !interrupts.requested();
  };
  const std::vector<Rollout> answers = roll_out(engine, prompts, rollout);
  line.end();

  MtpAcceptance mtp(*decoder, positions, cache, context.threads(), context.kernels());
  std::map<std::string, Shares> shares;
  for (std::size_t p = 0; p < problems.size(); ++p) {
    std::vector<std::int32_t> text = prompts[p];
    text.insert(text.end(), answers[p].ids.begin(), answers[p].ids.end());
    const std::vector<std::uint8_t> accepted = mtp.accepted(text);
    for (const std::string& family : {problems[p].family, std::string("all")})
      count(answers[p].ids, std::span(accepted).subspan(prompts[p].size()), tokenizer.special_id("</think>"),
            shares[family]);
    if (interrupts.requested()) fail(ErrorKind::cancelled, "stopped after {} of {} answers", p, problems.size());
  }
  if (arguments.json)
    print_json(arguments, shares);
  else
    print_shares(shares);
  return 0;
}

}  // namespace

void add_acceptance(Program& program) {
  auto arguments = std::make_shared<AcceptanceArguments>();
  Command command =
      program.add("acceptance", "How often multi-token prediction proposes what the model itself chooses");
  command.positional("MODEL", arguments->model, "a model with a layer of multi-token prediction");
  command.positional("SUITE", arguments->suite,
                     "held-out problems: mix, a family (limpid data --help), a mix's .json, or problems in .jsonl");
  command.option("-n", arguments->count, 1, 1 << 20, "problems of each family (20)");
  command.option("--level", arguments->level, 0, 100, "how hard (default: the levels of training)");
  command.option("--temp", arguments->temperature, 0, 100, "temperature of the answers (0: the most probable)");
  command.option("--max-tokens", arguments->tokens, 1, 1 << 20, "most tokens of an answer (256)");
  command.option("--seed", arguments->seed, 0, std::int64_t{1} << 62, "other seed, other problems (0)");
  command.option("--rows", arguments->rows, 1, 4096, "answers at a time (64)");
  command.flag("--json", arguments->json, "as JSON");
  command.threads_and_compute();
  command.examples("limpid acceptance r1-nano mix\nlimpid acceptance r1-nano addsub -n 100 --json");
  command.run([arguments](const Context& context) { return acceptance(*arguments, context); });
}

}  // namespace limpid

// limpid data: samples of the problem generators.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/commands.h"
#include "app/output.h"
#include "base/error.h"
#include "train/data_mix.h"
#include "train/mix_tokenizer.h"
#include "train/tokenizer_files.h"

namespace limpid {

namespace {

struct DataArguments {
  std::string what, language, thinking, tokenizer, split = "train";
  std::int64_t count = 10, seed = 0, level = 0, start = 0, vocabulary = 1024;
  bool json = false;
};

std::string family_list() {
  std::string out;
  for (std::size_t i = 0; i < kFamilies; ++i) out += std::string(family_name(static_cast<Family>(i))) + ", ";
  return out + "mix, or a mix's .json file";
}

Mix mix_for(const DataArguments& arguments) {
  Mix mix;
  if (arguments.what == "mix") {
    mix = default_mix();
  } else if (arguments.what.ends_with(".json")) {
    mix = read_mix(arguments.what);
  } else {
    const std::optional<Family> family = family_from_name(arguments.what);
    if (!family) fail(ErrorKind::input, "data: unknown family '{}': expected {}", arguments.what, family_list());
    mix.parts = {{*family, 1, 1, levels_of(*family).trained, 0.5}};
    mix.thinking = 1;
    mix.other_language = 0;
  }
  for (MixPart& part : mix.parts) {
    if (arguments.level > 0) {
      const int all = levels_of(part.family).all;
      if (arguments.level > all) {
        fail(ErrorKind::input, "data: --level {}: {} has levels 1 to {} ({})", arguments.level,
             family_name(part.family), all, level_meaning(part.family));
      }
      part.least_level = part.most_level = static_cast<int>(arguments.level);
    }
    if (!arguments.language.empty()) part.chinese = arguments.language == "zh" ? 1 : 0;
  }
  if (arguments.thinking == "none") mix.thinking = 0;
  if (arguments.thinking == "all") mix.thinking = 1;
  return mix;
}

nlohmann::json to_json(const MixedSample& mixed) {
  const Sample& s = mixed.sample;
  nlohmann::json check = {{"kind", s.check.kind == Check::Kind::integer ? "integer"
                                   : s.check.kind == Check::Kind::text  ? "text"
                                                                        : "expression"},
                          {"accepted", s.check.accepted}};
  if (s.check.kind == Check::Kind::expression) {
    check["numbers"] = s.check.numbers;
    check["value"] = s.check.value;
  }
  return {{"family", family_name(s.family)},
          {"language", language_name(s.language)},
          {"level", s.level},
          {"split", s.held_out ? "held-out" : "train"},
          {"problem", s.problem},
          {"prompt", s.prompt},
          {"thinking", s.thinking},
          {"thinking_language", language_name(s.thinking_language)},
          {"answer", s.answer},
          {"check", check},
          {"completion", mixed.reply()}};
}

int data(const DataArguments& arguments) {
  const Mix mix = mix_for(arguments);
  if (!arguments.tokenizer.empty()) {
    TokenizerPlan plan;
    plan.vocabulary = static_cast<std::size_t>(arguments.vocabulary);
    const TrainedTokenizer tokenizer = learn_tokenizer(mix, static_cast<std::uint64_t>(arguments.seed),
                                                       static_cast<std::uint64_t>(arguments.count), plan);
    write_tokenizer(tokenizer, arguments.tokenizer);
    print("{}: {} ids, {} of them characters beyond ASCII\n", arguments.tokenizer, tokenizer.tokens.size(),
          tokenizer.characters);
    return 0;
  }
  const Split split = arguments.split == "any"        ? Split::any
                      : arguments.split == "held-out" ? Split::held_out
                                                      : Split::train;
  for (std::int64_t i = 0; i < arguments.count; ++i) {
    const MixedSample mixed = mixed_sample(mix, split, static_cast<std::uint64_t>(arguments.seed),
                                           static_cast<std::uint64_t>(arguments.start + i));
    if (arguments.json) {
      print("{}\n", to_json(mixed).dump());
      continue;
    }
    const Sample& sample = mixed.sample;
    print("[{} {} {}] {}\n", family_name(sample.family), sample.level, language_name(sample.language), sample.prompt);
    if (mixed.with_thinking && !sample.thinking.empty()) print("  thinking: {}\n", sample.thinking);
    print("  answer: {}\n", sample.answer);
  }
  return 0;
}

}  // namespace

void add_data(Program& program) {
  auto arguments = std::make_shared<DataArguments>();
  Command command = program.add("data", "Problems with worked solutions and exact answers, as the training draws them");
  command.positional("FAMILY", arguments->what, family_list());
  command.option("-n", arguments->count, 0, std::int64_t{1} << 40, "how many (10)");
  command.option("--seed", arguments->seed, 0, std::int64_t{1} << 62, "other seed, other samples (0)");
  command.option("--start", arguments->start, 0, std::int64_t{1} << 62, "the first one's index (0)");
  command.choice("--lang", arguments->language, {"en", "zh"}, "language of the prompts (default: half and half)");
  command.option("--level", arguments->level, 0, 100, "how hard (default: the levels of training)");
  command.choice("--split", arguments->split, {"train", "held-out", "any"}, "which side of the split (train)");
  command.choice("--thinking", arguments->thinking, {"all", "none"},
                 "show the worked solution always or never (default: as the mix says)");
  command.option("--tokenizer", arguments->tokenizer,
                 "learn a tokenizer from these samples and write it into this directory");
  command.option("--vocabulary", arguments->vocabulary, 300, 1 << 17, "ids of that tokenizer (1024)");
  command.flag("--json", arguments->json, "one JSON object a line");
  command.examples(
      "limpid data addsub -n 5 --level 3\nlimpid data mix -n 1000 --split held-out --json > held_out.jsonl\n"
      "limpid data mix -n 40000 --tokenizer DIR --vocabulary 1024");
  command.run([arguments](const Context&) { return data(*arguments); });
}

}  // namespace limpid

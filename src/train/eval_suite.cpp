#include "train/eval_suite.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "formats/json.h"
#include "train/verifier.h"

namespace limpid {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestLine = std::size_t{1} << 20;
constexpr int kDraws = 8;  // of drawing a problem that was not drawn before, for each that is wanted

std::string string_field(const Json& object, const char* field, const std::string& where, bool required) {
  const auto found = object.find(field);
  if (found == object.end()) {
    if (required) fail(ErrorKind::input, "{}: no field \"{}\"", where, field);
    return "";
  }
  if (!found->is_string())
    fail(ErrorKind::input, "{}: {}: expected a string, found {}", where, field, found->type_name());
  return found->get<std::string>();
}

bool is_integer(const std::string& text) {
  Check check;
  check.accepted = {text};
  return is_correct(check, text);  // text that is no integer is not even its own answer
}

Check read_check(const Json& value, const std::string& where) {
  if (!value.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", where, value.type_name());
  Check check;
  const std::string kind = string_field(value, "kind", where, true);
  if (kind == "integer")
    check.kind = Check::Kind::integer;
  else if (kind == "text")
    check.kind = Check::Kind::text;
  else if (kind == "expression")
    check.kind = Check::Kind::expression;
  else
    fail(ErrorKind::input, "{}: kind: expected integer, text or expression, found \"{}\"", where, kind);
  try {
    check.accepted = value.at("accepted").get<std::vector<std::string>>();
    if (check.kind == Check::Kind::expression) {
      check.numbers = value.at("numbers").get<std::vector<std::int64_t>>();
      check.value = value.at("value").get<std::int64_t>();
    }
  } catch (const Json::exception& error) {
    fail(ErrorKind::input, "{}: {}", where, error.what());
  }
  if (check.accepted.empty()) fail(ErrorKind::input, "{}: accepted: it is empty", where);
  return check;
}

EvalProblem read_problem(const std::string& line, const std::string& where) {
  const Json root = parse_json(line, where);
  if (!root.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", where, root.type_name());
  EvalProblem problem;
  Sample& sample = problem.sample;
  sample.prompt = string_field(root, "prompt", where, true);
  sample.answer = string_field(root, "answer", where, true);
  problem.family = string_field(root, "family", where, false);
  if (problem.family.empty()) problem.family = "file";
  if (const auto family = family_from_name(problem.family)) sample.family = *family;
  problem.language = string_field(root, "language", where, false);
  if (problem.language.empty()) problem.language = count_languages(sample.prompt, "").chinese > 0 ? "zh" : "en";
  const std::optional<Language> language = language_from_name(problem.language);
  if (!language)
    fail(ErrorKind::input, "{}: language: expected \"en\" or \"zh\", found \"{}\"", where, problem.language);
  sample.language = *language;
  if (const auto level = root.find("level"); level != root.end()) {
    if (!level->is_number_integer() || *level < 0 || *level > 1000)
      fail(ErrorKind::input, "{}: level: expected an integer from 0 to 1000, found {}", where, level->dump());
    problem.level = sample.level = level->get<int>();
  }
  if (const auto check = root.find("check"); check != root.end()) {
    sample.check = read_check(*check, where + ": check");
  } else {
    sample.check.kind = is_integer(sample.answer) ? Check::Kind::integer : Check::Kind::text;
    sample.check.accepted = {sample.answer};
  }
  return problem;
}

// The part as a mix of its own; nothing where this side of the split has no problem of it.
std::optional<Mix> alone(MixPart part, Split split) {
  if (part.family == Family::talk && split == Split::held_out) part.least_level = std::max(part.least_level, 2);
  if (part.least_level > part.most_level || part.weight <= 0) return std::nullopt;
  part.weight = 1;
  Mix mix;
  mix.parts = {part};
  return mix;
}

}  // namespace

std::vector<EvalProblem> generate_suite(const Mix& mix, Split split, std::uint64_t seed, int count) {
  std::vector<EvalProblem> problems;
  for (const MixPart& part : mix.parts) {
    const std::optional<Mix> one = alone(part, split);
    if (!one) continue;
    std::set<std::string> seen;
    for (std::uint64_t i = 0; static_cast<int>(seen.size()) < count && i < static_cast<std::uint64_t>(count) * kDraws;
         ++i) {
      EvalProblem problem;
      problem.sample = mixed_sample(*one, split, seed, i).sample;
      if (!seen.insert(problem.sample.prompt).second) continue;
      problem.family = family_name(problem.sample.family);
      problem.language = language_name(problem.sample.language);
      problem.level = problem.sample.level;
      problems.push_back(std::move(problem));
    }
  }
  return problems;
}

std::vector<EvalProblem> read_suite(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::not_found, "{}: cannot be opened", path);
  std::vector<EvalProblem> problems;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const std::string where = fmt::format("{}:{}", path, number);
    if (line.size() > kLongestLine)
      fail(ErrorKind::input, "{}: a line of {} bytes; the most is {}", where, line.size(), kLongestLine);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    problems.push_back(read_problem(line, where));
  }
  if (problems.empty()) fail(ErrorKind::input, "{}: it has no problems", path);
  return problems;
}

std::vector<EvalProblem> open_suite(const std::string& suite, Split split, std::uint64_t seed, int count, int level) {
  if (suite.ends_with(".jsonl")) return read_suite(suite);
  Mix mix;
  if (suite == "mix") {
    mix = default_mix();
  } else if (suite.ends_with(".json")) {
    mix = read_mix(suite);
  } else {
    const std::optional<Family> family = family_from_name(suite);
    if (!family)
      fail(ErrorKind::input, "'{}': expected a family (limpid data --help), mix, a mix's .json or problems in .jsonl",
           suite);
    mix.parts = {{*family, 1, 1, levels_of(*family).trained, 0.5}};
  }
  if (level > 0) {
    std::erase_if(mix.parts, [&](const MixPart& part) { return level > levels_of(part.family).all; });
    for (MixPart& part : mix.parts) part.least_level = part.most_level = level;
  }
  std::vector<EvalProblem> problems = generate_suite(mix, split, seed, count);
  if (problems.empty()) fail(ErrorKind::input, "'{}': no problems of this level on this side of the split", suite);
  return problems;
}

}  // namespace limpid

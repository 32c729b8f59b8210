// What a model is asked in an evaluation: problems of the generators on the held-out side of the split, or of a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/data_mix.h"

namespace limpid {

struct EvalProblem {
  std::string family;    // of a generator, or what the file says; "file" otherwise
  std::string language;  // "en" or "zh"; by the prompt's characters where a file does not say
  int level = 0;         // 0: none
  Sample sample;         // prompt, language and check; the rest as far as it is known
};

// `count` problems of each family of the mix, no prompt twice; fewer where a family has no more. Pure in its arguments.
// Families without problems on that side of the split (greetings) are left out.
std::vector<EvalProblem> generate_suite(const Mix& mix, Split split, std::uint64_t seed, int count);

// JSONL: {"prompt", "answer"} and, where they are there, "family", "language" ("en" or "zh"), "level" and the "check" that
// `limpid data --json` prints. Without a check an answer that is an integer is judged as one, any other as text. Throws
// Error(input) naming file, line and field.
std::vector<EvalProblem> read_suite(const std::string& path);

// SUITE of the command line: "mix", a family's name, a mix's .json or problems in .jsonl.
std::vector<EvalProblem> open_suite(const std::string& suite, Split split, std::uint64_t seed, int count, int level);

}  // namespace limpid

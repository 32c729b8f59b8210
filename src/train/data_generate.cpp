#include "train/data_generate.h"

#include <algorithm>

#include "base/error.h"
#include "train/data_families.h"

namespace limpid {

namespace {

constexpr int kAttempts =
    4096;  // nine of ten problems are rejected for the held-out side: the chance to fail is 0.9^4096

Sample generate(Family family, Draw& draw, const Ask& ask) {
  switch (family) {
    case Family::chain:
      return make_chain(draw, ask);
    case Family::count:
      return make_count(draw, ask);
    case Family::addsub:
      return make_addsub(draw, ask);
    case Family::multiply:
      return make_multiply(draw, ask);
    case Family::ordering:
      return make_ordering(draw, ask);
    case Family::boolean:
      return make_boolean(draw, ask);
    case Family::target:
      return make_target(draw, ask);
    case Family::word:
      return make_word(draw, ask);
    case Family::talk:
      return make_talk(draw, ask);
    case Family::drill:
      break;
  }
  return make_drill(draw, ask);
}

}  // namespace

bool is_held_out(std::string_view problem) {
  if (problem.starts_with("talk:")) return false;
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : problem) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCD;
  hash ^= hash >> 33;
  return hash % 10 == 0;
}

bool is_held_out(const Sample& sample) {
  return is_held_out(sample.problem) || std::any_of(sample.parts.begin(), sample.parts.end(),
                                                    [](const std::string& part) { return is_held_out(part); });
}

Sample make_sample(const SampleRequest& request, std::uint64_t index) {
  const Levels levels = levels_of(request.family);
  if (request.level < 1 || request.level > levels.all) {
    fail(ErrorKind::input, "{}: level {}: expected 1 to {}", family_name(request.family), request.level, levels.all);
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // The counter's third word: attempt, level, family. All others of the counter are the index and the draw.
    const std::uint32_t domain = static_cast<std::uint32_t>(attempt) << 16 |
                                 static_cast<std::uint32_t>(request.level) << 8 |
                                 static_cast<std::uint32_t>(request.family);
    Draw draw(request.seed, index, domain);
    Sample sample = generate(request.family, draw, {request.level, request.language, request.thinking});
    sample.held_out = is_held_out(sample);
    if (request.split != Split::any && sample.held_out != (request.split == Split::held_out)) continue;
    sample.family = request.family;
    sample.level = request.level;
    sample.language = request.language;
    sample.thinking_language = request.thinking;
    return sample;
  }
  fail(ErrorKind::input, "{}: level {} has no problem on this side of the split", family_name(request.family),
       request.level);
}

}  // namespace limpid

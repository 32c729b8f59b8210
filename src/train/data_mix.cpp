#include "train/data_mix.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "train/data_draw.h"

namespace limpid {

namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kMixDomain = 0xFFFF'0000;  // no attempt of a family reaches it

double share(const Json& value, const std::string& where, double most = 1) {
  if (!value.is_number() || !(value.get<double>() >= 0) || value.get<double>() > most) {
    fail(ErrorKind::input, "{}: expected a number from 0 to {}, found {}", where, most, value.dump());
  }
  return value.get<double>();
}

void read_levels(const Json& value, const std::string& where, MixPart& part) {
  const int all = levels_of(part.family).all;
  const auto level = [&](const Json& v) {
    if (!v.is_number_integer() || v.get<std::int64_t>() < 1 || v.get<std::int64_t>() > all) {
      fail(ErrorKind::input, "{}: expected a level from 1 to {}, found {}", where, all, v.dump());
    }
    return static_cast<int>(v.get<std::int64_t>());
  };
  if (!value.is_array() || value.size() != 2) {
    fail(ErrorKind::input, "{}: expected [least, most], found {}", where, value.dump());
  }
  part.least_level = level(value[0]);
  part.most_level = level(value[1]);
  if (part.least_level > part.most_level)
    fail(ErrorKind::input, "{}: {} is below {}", where, part.most_level, part.least_level);
}

MixPart read_part(const std::string& key, const Json& value, double chinese, const std::string& name) {
  const std::string where = name + ": families." + key;
  const std::optional<Family> family = family_from_name(key);
  if (!family) fail(ErrorKind::input, "{}: unknown family", where);
  if (!value.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", where, value.type_name());
  MixPart part{*family, 1, 1, levels_of(*family).trained, chinese};
  for (const auto& [field, v] : value.items()) {
    if (field == "weight")
      part.weight = share(v, where + ".weight", 1e6);
    else if (field == "chinese")
      part.chinese = share(v, where + ".chinese");
    else if (field == "levels")
      read_levels(v, where + ".levels", part);
    else
      fail(ErrorKind::input, "{}: unknown field \"{}\"; known are weight, levels, chinese", where, field);
  }
  return part;
}

void check_weights(const Mix& mix, const std::string& name) {
  double all = 0;
  for (const MixPart& part : mix.parts) all += part.weight;
  if (!(all > 0)) fail(ErrorKind::input, "{}: families: no family has a weight", name);
}

}  // namespace

Mix default_mix() {
  Mix mix;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (family == Family::drill) continue;
    mix.parts.push_back({family, 1, 1, levels_of(family).trained, 0.5});
  }
  return mix;
}

Mix parse_mix(std::string_view text, const std::string& name) {
  const Json root = parse_json(text, name);
  if (!root.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", name, root.type_name());
  Mix mix;
  double chinese = 0.5;
  if (root.contains("chinese")) chinese = share(root["chinese"], name + ": chinese");
  for (const auto& [key, value] : root.items()) {
    if (key == "families") {
      if (!value.is_object())
        fail(ErrorKind::input, "{}: families: expected an object, found {}", name, value.type_name());
      for (const auto& [family, part] : value.items()) mix.parts.push_back(read_part(family, part, chinese, name));
    } else if (key == "thinking") {
      mix.thinking = share(value, name + ": thinking");
    } else if (key == "other_language") {
      mix.other_language = share(value, name + ": other_language");
    } else if (key != "chinese") {
      fail(ErrorKind::input, "{}: unknown field \"{}\"; known are families, chinese, thinking, other_language", name,
           key);
    }
  }
  check_weights(mix, name);
  return mix;
}

Mix read_mix(const std::string& path) { return parse_mix(read_json(path).dump(), path); }

MixedSample mixed_sample(const Mix& mix, Split split, std::uint64_t seed, std::uint64_t index) {
  Draw draw(seed, index, kMixDomain);
  double all = 0;
  for (const MixPart& part : mix.parts) all += part.weight;
  double at = draw.next() * 0x1p-32 * all;
  const MixPart* chosen = nullptr;
  for (const MixPart& part : mix.parts) {
    if (part.weight > 0) chosen = &part;
    if ((at -= part.weight) < 0) break;
  }
  if (chosen == nullptr) fail(ErrorKind::input, "mix: no family has a weight");
  SampleRequest request;
  request.family = chosen->family;
  request.level = static_cast<int>(draw.between(chosen->least_level, chosen->most_level));
  // Talk that is no problem is never held out: its other levels stand in.
  if (split == Split::held_out && request.family == Family::talk && request.level == 1) {
    request.level = std::clamp(chosen->most_level, 2, 3);
  }
  const bool chinese = draw.chance(chosen->chinese), other = draw.chance(mix.other_language);
  request.language = chinese ? Language::chinese : Language::english;
  request.thinking = chinese != other ? Language::chinese : Language::english;
  request.split = split;
  request.seed = seed;
  MixedSample mixed;
  mixed.with_thinking = draw.chance(mix.thinking);
  mixed.sample = make_sample(request, index);
  return mixed;
}

}  // namespace limpid

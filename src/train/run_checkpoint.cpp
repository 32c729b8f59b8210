#include "train/run_checkpoint.h"

#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/mapped_file.h"
#include "engine/siphash.h"
#include "formats/atomic_file.h"
#include "formats/json.h"

namespace limpid {

static_assert(std::endian::native == std::endian::little);

namespace {

using Json = nlohmann::json;
using Bytes = std::span<const std::byte>;

constexpr std::string_view kMagic = "LIMPIDCK";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kHead = 24, kHash = sizeof(Hash128);

std::string head_of(std::size_t json_bytes) {
  const std::uint64_t numbers[2] = {kVersion, json_bytes};
  std::string head(kMagic);
  head.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  return head;
}

// Refuses a run that was told something else: the first field that differs and is not named in `change`. Returns what
// differs of those.
std::vector<RunChange> compare_runs(const std::string& path, const Json& saved, const Json& run,
                                    const std::vector<std::string>& change) {
  constexpr std::string_view kConfig = "config.";
  const Json before = saved.is_object() ? saved.flatten() : Json::object(), now = run.flatten();
  const auto value = [](const Json& from, const std::string& key) {
    return from.contains(key) ? from[key].dump() : std::string("nothing");
  };
  std::vector<RunChange> changes;
  const auto differs = [&](const std::string& key) {
    std::string field = key.substr(1);
    for (char& c : field)
      if (c == '/') c = '.';
    if (field.starts_with(kConfig) && is_named(field.substr(kConfig.size()), change)) {
      changes.push_back({field.substr(kConfig.size()), before.value(key, Json()), now.value(key, Json())});
      return;
    }
    fail(ErrorKind::input, "{}: checkpoint of another configuration: {} was {}, is {}", path, field, value(before, key),
         value(now, key));
  };
  for (const auto& [key, v] : now.items())
    if (!before.contains(key) || before[key] != v) differs(key);
  for (const auto& [key, v] : before.items())
    if (!now.contains(key)) differs(key);
  return changes;
}

RunState state_of(const Json& json, const std::string& path) {
  try {
    return {json.at("steps").get<std::int64_t>(), json.at("tokens").get<std::int64_t>(), json.at("data"),
            json.at("smooth").get<double>(),      json.at("least").get<double>(),        {}};
  } catch (const Json::exception& error) {
    fail(ErrorKind::input, "{}: {}", path, error.what());
  }
}

}  // namespace

void save_checkpoint(const std::string& path, const Json& run, const RunState& state, Trainer& trainer) {
  const Bytes values = std::as_bytes(trainer.values()), moments = std::as_bytes(trainer.optimiser().state());
  const Json json = {{"run", run},
                     {"steps", state.steps},
                     {"tokens", state.tokens},
                     {"data", state.data},
                     {"smooth", state.smooth},
                     {"least", state.least},
                     {"optimiser_steps", trainer.optimiser().steps()},
                     {"values", values.size()},
                     {"moments", moments.size()}};
  const std::string text = json.dump(), first = head_of(text.size()) + text;
  Hash128 hash = siphash128({}, std::as_bytes(std::span(first)));
  hash = siphash128(siphash128(hash, values), moments);
  AtomicFile file(path);
  file.write(first);
  file.write(values);
  file.write(moments);
  file.write(std::as_bytes(std::span(&hash, 1)));
  file.commit();
}

RunState load_checkpoint(const std::string& path, const Json& run, Trainer& trainer,
                         const std::vector<std::string>& change) {
  const MappedFile file(path);
  const Bytes all = file.bytes();
  const auto damaged = [&](const char* what) {
    fail(ErrorKind::input, "{}: no checkpoint, or a damaged one: {}", path, what);
  };
  if (all.size() < kHead + kHash || std::memcmp(all.data(), kMagic.data(), kMagic.size()) != 0)
    damaged("it does not begin as one");
  std::uint64_t numbers[2];
  std::memcpy(numbers, all.data() + kMagic.size(), sizeof numbers);
  if (numbers[0] != kVersion)
    fail(ErrorKind::unsupported, "{}: checkpoint of version {}, expected {}", path, numbers[0], kVersion);
  const Bytes body = all.first(all.size() - kHash);
  if (numbers[1] > body.size() - kHead) damaged("it ends in its description");
  const Bytes first = body.first(kHead + numbers[1]);
  const Json json = parse_json({reinterpret_cast<const char*>(first.data()) + kHead, numbers[1]}, path);
  const auto size = [&](const char* name) -> std::uint64_t {
    if (!json.is_object() || !json.contains(name) || !json[name].is_number_unsigned())
      damaged("its description lacks a size");
    return json[name].get<std::uint64_t>();
  };
  const std::uint64_t value_bytes = size("values"), moment_bytes = size("moments"), rest = body.size() - first.size();
  if (value_bytes > rest || moment_bytes != rest - value_bytes) damaged("its size is not what it says");
  const Bytes values = body.subspan(first.size(), value_bytes), moments = body.subspan(first.size() + value_bytes);
  const Hash128 hash = siphash128(siphash128(siphash128({}, first), values), moments);
  if (std::memcmp(&hash, all.data() + body.size(), kHash) != 0) damaged("its checksum is wrong");
  std::vector<RunChange> changes = compare_runs(path, json.value("run", Json()), run, change);
  const std::span<float> to = trainer.values(), state = trainer.optimiser().state();
  if (value_bytes != to.size_bytes() || moment_bytes != state.size_bytes()) damaged("it is of another model");
  RunState result = state_of(json, path);
  result.changes = std::move(changes);
  std::memcpy(to.data(), values.data(), value_bytes);
  std::memcpy(state.data(), moments.data(), moment_bytes);
  trainer.optimiser().set_steps(static_cast<std::int64_t>(size("optimiser_steps")));
  trainer.refresh();
  return result;
}

}  // namespace limpid

#include "server/sampling_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "chat/stop_strings.h"

namespace limpid {

namespace {

std::optional<float> real(RequestFields& fields, const std::string& name, double least, double most) {
  const std::optional<double> value = fields.number(name, least, most);
  return value ? std::optional<float>(static_cast<float>(*value)) : std::nullopt;
}

void read_bias(RequestFields& fields, AnswerRequest& request) {
  const nlohmann::ordered_json* bias = fields.find("logit_bias");
  if (bias == nullptr) return;
  if (!bias->is_object()) fields.wrong_type("logit_bias", "an object of token ids", *bias);
  if (bias->size() > kMostBias)
    throw bad_parameter(fmt::format("logit_bias: {} ids, at most {} are allowed", bias->size(), kMostBias),
                        "logit_bias");
  for (const auto& [key, value] : bias->items()) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0)
      throw bad_parameter("logit_bias: its names are token ids, \"123\"", "logit_bias");
    if (!value.is_number()) fields.wrong_type("logit_bias." + key, "a number", value);
    const double amount = value.get<double>();
    if (!(amount >= -100 && amount <= 100))
      throw bad_parameter(fmt::format("logit_bias.{}: {} is not between -100 and 100", key, value.dump()),
                          "logit_bias." + key);
    // -100 bans a token and 100 makes it the only one, as OpenAI documents.
    const float added = amount <= -100 ? -std::numeric_limits<float>::infinity() : static_cast<float>(amount);
    request.chat.sampling.logit_bias.emplace_back(id, added);
  }
}

}  // namespace

void read_sampling(RequestFields& fields, AnswerRequest& request) {
  SamplingWishes& wishes = request.sampling;
  wishes.temperature = real(fields, "temperature", 0, 2);
  wishes.top_p = real(fields, "top_p", 0, 1);
  if (wishes.top_p && *wishes.top_p == 0) wishes.top_p = std::numeric_limits<float>::min();  // the likeliest only
  wishes.min_p = real(fields, "min_p", 0, 1);
  wishes.repetition_penalty = real(fields, "repetition_penalty", 0.01, 10);
  if (const auto k = fields.integer("top_k", -1, 1'000'000)) wishes.top_k = std::max<int>(0, static_cast<int>(*k));
  if (const auto seed =
          fields.integer("seed", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()))
    wishes.seed = static_cast<std::uint64_t>(*seed);
  Sampling& sampling = request.chat.sampling;
  sampling.frequency_penalty = real(fields, "frequency_penalty", -2, 2).value_or(0);
  sampling.presence_penalty = real(fields, "presence_penalty", -2, 2).value_or(0);
  read_bias(fields, request);
  request.choices = static_cast<int>(fields.integer("n", 1, kMostChoices).value_or(1));
  request.chat.stop = fields.texts("stop", kMostStops);
  for (const std::string& stop : request.chat.stop)
    if (stop.empty() || stop.size() > StopStrings::kMostBytes)
      throw bad_parameter(
          fmt::format("stop: a string of {} bytes; they have 1 to {}", stop.size(), StopStrings::kMostBytes), "stop");
  for (const char* name : {"user", "user_id"}) {  // the second is DeepSeek's and counts before the other
    const std::optional<std::string> user = fields.text(name);
    if (!user) continue;
    if (user->size() > 512)
      throw bad_parameter(fmt::format("{}: {} bytes, at most 512 are allowed", name, user->size()), name);
    request.user = *user;
  }
  request.chat.ignore_end = fields.boolean("ignore_eos").value_or(false);
  request.stream = fields.boolean("stream").value_or(false);
  request.resumable = fields.boolean("resumable").value_or(false);
  if (request.resumable && !request.stream)
    throw bad_parameter("resumable: only a stream can be resumed (\"stream\": true)", "resumable");
}

void ignore_sampling(AnswerRequest& request, bool top_p) {
  request.sampling.temperature.reset();
  if (top_p) request.sampling.top_p.reset();
  request.chat.sampling.frequency_penalty = 0;
  request.chat.sampling.presence_penalty = 0;
}

}  // namespace limpid

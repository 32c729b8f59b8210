#include "convert/export_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/unicode.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int32_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;  // tokenizer.ggml.token_type

bool holds_two_digits(std::string_view token) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 1; i < token.size(); ++i)
    if (digit(token[i - 1]) && digit(token[i])) return true;
  return false;
}

// DeepSeek's marks of turns are not called special in its tokenizer.json, and are control tokens in published GGUF files.
bool is_mark(std::string_view text) {
  const auto between = [&](std::string_view left, std::string_view right) {
    return text.starts_with(left) && text.ends_with(right);
  };
  return between("<|", "|>") || between("<｜", "｜>");
}

std::string pre_of(const TokenizerSpec& spec) {
  const std::optional<std::vector<SplitRule>> rules = spec.pretokenizer.rules();
  if (!spec.byte_level || !rules)
    fail(ErrorKind::unsupported, "{}: only byte-level BPE with a published splitting rule can be written into a GGUF",
         spec.name);
  std::optional<std::string> name = gguf_pretokenizer(*rules);
  if (!name && !rules->empty() && rules->front() == SplitRule::number &&
      std::ranges::none_of(spec.tokens, holds_two_digits)) {
    std::vector<SplitRule> grouped = *rules;
    grouped.front() = SplitRule::numbers_1_to_3;
    name = gguf_pretokenizer(grouped);
  }
  if (!name)
    fail(ErrorKind::unsupported, "{}: llama.cpp has no name (tokenizer.ggml.pre) for these splitting rules", spec.name);
  const bool nfc = spec.normalizer.size() == 1 && spec.normalizer[0].kind == NormalizerStep::Kind::form &&
                   spec.normalizer[0].form == NormalForm::nfc;
  if (!spec.normalizer.empty() && !(nfc && *name == "qwen2"))
    fail(ErrorKind::unsupported, "{}: its normalizer cannot be written into a GGUF", spec.name);
  if (spec.ignore_merges && *name != "llama-bpe")
    fail(ErrorKind::unsupported, "{}: ignore_merges cannot be written into a GGUF with {}", spec.name, *name);
  if (spec.prefix_when != PrefixWhen::never)
    fail(ErrorKind::unsupported, "{}: a prefix before texts cannot be written into a GGUF", spec.name);
  return *name;
}

Json splitting_step(SplitRule rule) {
  if (rule == SplitRule::digit || rule == SplitRule::digits)
    return {{"type", "Digits"}, {"individual_digits", rule == SplitRule::digit}};
  return {{"type", "Split"},
          {"pattern", {{"Regex", published_expression(rule)}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

Json byte_level() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
}

// BOS before every text, as ByteLevel's own processor does nothing to ids.
Json post_processor(const TokenizerSpec& spec) {
  if (!spec.add_bos || spec.bos < 0) return byte_level();
  const std::string& bos = spec.tokens[static_cast<std::size_t>(spec.bos)];
  const Json token = {{"SpecialToken", {{"id", bos}, {"type_id", 0}}}};
  const auto sequence = [](const char* id, int type) { return Json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };
  Json special = Json::object();
  special[bos] = {{"id", bos}, {"ids", Json::array({spec.bos})}, {"tokens", Json::array({bos})}};
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({token, sequence("A", 0)})},
          {"pair", Json::array({token, sequence("A", 0), sequence("B", 1)})},
          {"special_tokens", special}};
}

Json text_of(const TokenizerSpec& spec, TokenId id) {
  return id < 0 ? Json(nullptr) : Json(spec.tokens[static_cast<std::size_t>(id)]);
}

}  // namespace

void set_tokenizer_keys(GgufWriter& out, const TokenizerSpec& spec, int vocabulary, const std::string& chat_template) {
  const std::string pre = pre_of(spec);
  std::vector<std::string> tokens = spec.tokens;
  if (tokens.size() > static_cast<std::size_t>(vocabulary))
    fail(ErrorKind::input, "{}: {} tokens, the model has rows for {}", spec.name, tokens.size(), vocabulary);
  tokens.resize(static_cast<std::size_t>(vocabulary));
  std::vector<std::int32_t> types(tokens.size(), kNormal);
  for (const AddedToken& token : spec.added)
    types[static_cast<std::size_t>(token.id)] = token.special || is_mark(token.content) ? kControl : kUserDefined;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty()) continue;
    tokens[id] = fmt::format("[PAD{}]", id);
    types[id] = kUnused;
  }
  std::vector<std::string> merges;
  for (const auto& [left, right] : spec.merges) merges.push_back(fmt::format("{} {}", left, right));
  out.set("tokenizer.ggml.model", "gpt2");
  out.set("tokenizer.ggml.pre", pre);
  out.set("tokenizer.ggml.tokens", std::span<const std::string>(tokens));
  out.set("tokenizer.ggml.token_type", std::span<const std::int32_t>(types));
  out.set("tokenizer.ggml.merges", std::span<const std::string>(merges));
  const auto id = [&](const char* key, TokenId value) {
    if (value >= 0) out.set(key, static_cast<std::uint32_t>(value));
  };
  id("tokenizer.ggml.bos_token_id", spec.bos);
  id("tokenizer.ggml.eos_token_id", spec.eos);
  id("tokenizer.ggml.eot_token_id", spec.eot);
  id("tokenizer.ggml.padding_token_id", spec.pad);
  out.set("tokenizer.ggml.add_bos_token", bool(spec.add_bos));
  out.set("tokenizer.ggml.add_eos_token", bool(spec.add_eos));
  if (!chat_template.empty()) out.set("tokenizer.chat_template", chat_template);
}

Json tokenizer_json_of(const TokenizerSpec& spec, const std::string& pre) {
  if (!spec.byte_level)
    fail(ErrorKind::unsupported, "{}: a SentencePiece tokenizer cannot be written as tokenizer.json", spec.name);
  Json added = Json::array(), vocabulary = Json::object(), merges = Json::array(), steps = Json::array();
  std::vector<AddedToken> in_order = spec.added;
  std::ranges::sort(in_order, {}, &AddedToken::id);
  for (const AddedToken& token : in_order)
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  // All of them, the control tokens too, so that their ids need not lie behind the others.
  for (std::size_t id = 0; id < spec.tokens.size(); ++id)
    if (!spec.tokens[id].empty()) vocabulary[spec.tokens[id]] = id;
  for (const auto& [left, right] : spec.merges) merges.push_back(fmt::format("{} {}", left, right));
  for (const SplitRule rule : gguf_pretokenizer_rules(pre, spec.name)) steps.push_back(splitting_step(rule));
  steps.push_back(byte_level());
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", spec.normalizer.empty() ? Json(nullptr) : Json{{"type", "NFC"}}},
          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", steps}}},
          {"post_processor", post_processor(spec)},
          {"decoder", byte_level()},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", spec.ignore_merges},
            {"vocab", vocabulary},
            {"merges", merges}}}};
}

Json tokenizer_config_json_of(const TokenizerSpec& spec, const std::string& chat_template) {
  Json out = {{"tokenizer_class", "PreTrainedTokenizerFast"},
              {"bos_token", text_of(spec, spec.bos)},
              {"eos_token", text_of(spec, spec.eos)},
              {"pad_token", text_of(spec, spec.pad)},
              {"unk_token", nullptr},
              {"add_bos_token", spec.add_bos},
              {"add_eos_token", spec.add_eos},
              {"clean_up_tokenization_spaces", false}};
  if (!chat_template.empty()) out["chat_template"] = chat_template;
  return out;
}

}  // namespace limpid

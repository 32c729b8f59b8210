#include "text/tokenizer_json_parts.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/unicode.h"

namespace limpid::tokenizer_json {

using nlohmann::json;

const json& field(const json& node, const char* key, const std::string& where) {
  static const json null;
  if (!node.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", where, node.type_name());
  const auto it = node.find(key);
  return it == node.end() ? null : *it;
}

std::string string_field(const json& node, const char* key, const std::string& otherwise, const std::string& where) {
  const json& value = field(node, key, where);
  if (value.is_null()) return otherwise;
  if (!value.is_string()) fail(ErrorKind::input, "{}.{}: expected a string, found {}", where, key, value.type_name());
  return value.get<std::string>();
}

bool bool_field(const json& node, const char* key, bool otherwise, const std::string& where) {
  const json& value = field(node, key, where);
  if (value.is_null()) return otherwise;
  if (!value.is_boolean())
    fail(ErrorKind::input, "{}.{}: expected true or false, found {}", where, key, value.type_name());
  return value.get<bool>();
}

namespace {

const json& array_field(const json& node, const char* key, const std::string& where) {
  const json& value = field(node, key, where);
  if (!value.is_array()) fail(ErrorKind::input, "{}.{}: expected an array, found {}", where, key, value.type_name());
  return value;
}

[[noreturn]] void unsupported(const std::string& where, const std::string& type, const char* known) {
  fail(ErrorKind::unsupported, "{}.type: expected one of {}; found \"{}\"", where, known, type);
}

struct Pattern {
  std::string text;
  bool literal;
};

Pattern read_pattern(const json& node, const std::string& where) {
  const json& pattern = field(node, "pattern", where);
  const std::string at = where + ".pattern";
  if (!field(pattern, "String", at).is_null()) return {string_field(pattern, "String", "", at), true};
  if (!field(pattern, "Regex", at).is_null()) return {string_field(pattern, "Regex", "", at), false};
  fail(ErrorKind::input, "{}: expected String or Regex", at);
}

SplitBehavior read_behavior(const json& node, const std::string& where) {
  const std::string name = string_field(node, "behavior", "Isolated", where);
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  fail(ErrorKind::input,
       "{}.behavior: expected Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous; "
       "found \"{}\"",
       where, name);
}

// A prefix belongs before the first cut: the pipelines in use have it there.
void set_prefix(TokenizerSpec& spec, PrefixWhen when, const std::string& prefix, bool cut_before,
                const std::string& where) {
  if (when == PrefixWhen::never) return;
  if (cut_before || spec.prefix_when != PrefixWhen::never) {
    fail(ErrorKind::unsupported, "{}: a prefix behind another step is not supported", where);
  }
  spec.prefix_when = when;
  spec.prefix = prefix;
}

PrefixWhen read_prepend_scheme(const json& node, const std::string& where) {
  const std::string scheme = string_field(
      node, "prepend_scheme", bool_field(node, "add_prefix_space", true, where) ? "always" : "never", where);
  if (scheme == "always") return PrefixWhen::always;
  if (scheme == "first") return PrefixWhen::first;
  if (scheme == "never") return PrefixWhen::never;
  fail(ErrorKind::input, "{}.prepend_scheme: expected always, first or never; found \"{}\"", where, scheme);
}

void read_metaspace(const json& node, const std::string& where, bool cut_before, TokenizerSpec& spec) {
  const std::string marker = string_field(node, "replacement", "\xE2\x96\x81", where);
  if (cut_before) fail(ErrorKind::unsupported, "{}: Metaspace behind another step is not supported", where);
  spec.normalizer.push_back({NormalizerStep::Kind::replace, NormalForm::nfc, " ", marker});
  set_prefix(spec, read_prepend_scheme(node, where), marker, cut_before, where);
  if (bool_field(node, "split", true, where)) {
    spec.pretokenizer.add(make_pattern_splitter(marker, true, SplitBehavior::merged_with_next, false, where));
  }
}

// One step; cut: whether a step before it may have cut the text.
void read_pretokenizer_step(const json& node, const std::string& where, bool& cut, TokenizerSpec& spec) {
  const std::string type = string_field(node, "type", "", where);
  if (spec.byte_level) {
    // It would see text in the byte alphabet, which is never made here.
    fail(ErrorKind::unsupported, "{}: a step behind ByteLevel is not supported", where);
  }
  if (type == "Sequence") {
    const json& steps = array_field(node, "pretokenizers", where);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      read_pretokenizer_step(steps[i], fmt::format("{}.pretokenizers[{}]", where, i), cut, spec);
    }
    return;
  }
  if (type == "Split") {
    const Pattern pattern = read_pattern(node, where);
    spec.pretokenizer.add(make_pattern_splitter(pattern.text, pattern.literal, read_behavior(node, where),
                                                bool_field(node, "invert", false, where), where));
  } else if (type == "ByteLevel") {
    spec.byte_level = true;
    if (bool_field(node, "add_prefix_space", true, where)) set_prefix(spec, PrefixWhen::always, " ", cut, where);
    if (!bool_field(node, "use_regex", true, where)) return;
    spec.pretokenizer.add(make_rule_splitter(SplitRule::gpt2));
  } else if (type == "Digits") {
    const bool single = bool_field(node, "individual_digits", false, where);
    spec.pretokenizer.add(make_rule_splitter(single ? SplitRule::digit : SplitRule::digits));
  } else if (type == "Punctuation") {
    spec.pretokenizer.add(make_punctuation_splitter(read_behavior(node, where)));
  } else if (type == "Metaspace") {
    read_metaspace(node, where, cut, spec);
  } else {
    unsupported(where, type, "Sequence, Split, ByteLevel, Digits, Punctuation, Metaspace");
  }
  cut = true;
}

}  // namespace

void read_normalizer(const json& node, const std::string& where, TokenizerSpec& spec) {
  if (node.is_null()) return;
  const std::string type = string_field(node, "type", "", where);
  const auto form = [&](NormalForm f) { spec.normalizer.push_back({NormalizerStep::Kind::form, f, "", ""}); };
  if (type == "Sequence") {
    const json& steps = array_field(node, "normalizers", where);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      read_normalizer(steps[i], fmt::format("{}.normalizers[{}]", where, i), spec);
    }
  } else if (type == "NFC") {
    form(NormalForm::nfc);
  } else if (type == "NFD") {
    form(NormalForm::nfd);
  } else if (type == "NFKC") {
    form(NormalForm::nfkc);
  } else if (type == "NFKD") {
    form(NormalForm::nfkd);
  } else if (type == "Prepend") {
    spec.normalizer.push_back(
        {NormalizerStep::Kind::prepend, NormalForm::nfc, "", string_field(node, "prepend", "", where)});
  } else if (type == "Replace") {
    const Pattern pattern = read_pattern(node, where);
    if (!pattern.literal || pattern.text.empty()) {
      fail(ErrorKind::unsupported, "{}.pattern: expected a String that is not empty", where);
    }
    spec.normalizer.push_back(
        {NormalizerStep::Kind::replace, NormalForm::nfc, pattern.text, string_field(node, "content", "", where)});
  } else {
    unsupported(where, type, "Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace");
  }
}

void read_pretokenizer(const json& node, const std::string& where, TokenizerSpec& spec) {
  spec.byte_level = false;
  if (node.is_null()) return;
  bool cut = false;
  read_pretokenizer_step(node, where, cut, spec);
}

void read_decoder(const json& node, const std::string& where, TokenizerSpec& spec) {
  if (node.is_null()) return;
  const std::string type = string_field(node, "type", "", where);
  if (type == "Sequence") {
    const json& steps = array_field(node, "decoders", where);
    for (std::size_t i = 0; i < steps.size(); ++i)
      read_decoder(steps[i], fmt::format("{}.decoders[{}]", where, i), spec);
  } else if (type == "Strip") {
    const json& start = field(node, "start", where);
    spec.strip_leading_space = string_field(node, "content", " ", where) == " " && start.is_number() && start != 0;
  } else if (type == "Metaspace") {
    spec.strip_leading_space = read_prepend_scheme(node, where) != PrefixWhen::never;
  } else if (type != "ByteLevel" && type != "Replace" && type != "ByteFallback" && type != "Fuse") {
    unsupported(where, type, "Sequence, ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace");
  }
}

void read_post_processor(const json& node, const std::string& where, TokenizerSpec& spec) {
  if (node.is_null()) return;
  const std::string type = string_field(node, "type", "", where);
  if (type == "Sequence") {
    const json& steps = array_field(node, "processors", where);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      read_post_processor(steps[i], fmt::format("{}.processors[{}]", where, i), spec);
    }
    return;
  }
  if (type != "TemplateProcessing") return;  // others leave the tokens of a single text alone
  bool before = true;
  for (const json& item : array_field(node, "single", where)) {
    const std::string at = where + ".single";
    if (!field(item, "Sequence", at).is_null()) {
      before = false;
      continue;
    }
    const std::string text = string_field(field(item, "SpecialToken", at), "id", "", at + ".SpecialToken");
    for (const AddedToken& token : spec.added) {
      if (token.content != text) continue;
      (before ? spec.add_bos : spec.add_eos) = true;
      TokenId& slot = before ? spec.bos : spec.eos;
      if (slot < 0) slot = token.id;
    }
  }
}

}  // namespace limpid::tokenizer_json

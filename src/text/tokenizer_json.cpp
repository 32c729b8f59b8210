// Tokenizers in Hugging Face's tokenizer.json (model BPE) and the tokenizer_config.json beside it.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "formats/json.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json_parts.h"
#include "text/tokenizer_spec.h"

namespace limpid {

namespace {

using nlohmann::json;
using tokenizer_json::bool_field;
using tokenizer_json::field;
using tokenizer_json::string_field;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Ids may have gaps, but not so large that a small file makes a large table.
std::size_t id_limit(const json& root, const std::string& name) {
  const std::size_t entries = field(field(root, "model", name), "vocab", name + ": model").size();
  return 2 * (entries + field(root, "added_tokens", name).size()) + 65536;
}

TokenId read_id(const json& value, std::size_t limit, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= limit) {
    fail(ErrorKind::input, "{}: expected a token id below {}, found {}", where, limit,
         value.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  return static_cast<TokenId>(value.get<std::uint64_t>());
}

void place(TokenizerSpec& spec, TokenId id, const std::string& text, bool ordinary) {
  const auto i = static_cast<std::size_t>(id);
  if (i >= spec.tokens.size()) {
    spec.tokens.resize(i + 1);
    spec.ordinary.resize(i + 1);
    spec.byte_token.resize(i + 1);
  }
  spec.tokens[i] = text;
  spec.ordinary[i] = ordinary;
}

void read_vocabulary(const json& model, std::size_t limit, const std::string& where, TokenizerSpec& spec) {
  const json& vocabulary = field(model, "vocab", where);
  if (!vocabulary.is_object()) {
    fail(ErrorKind::input, "{}.vocab: expected an object, found {}", where, vocabulary.type_name());
  }
  for (const auto& [text, id_value] : vocabulary.items()) {
    const TokenId id = read_id(id_value, limit, fmt::format("{}.vocab[\"{}\"]", where, text));
    if (static_cast<std::size_t>(id) < spec.tokens.size() && spec.ordinary[static_cast<std::size_t>(id)]) {
      fail(ErrorKind::input, "{}.vocab[\"{}\"]: id {} is taken by \"{}\"", where, text, id,
           spec.tokens[static_cast<std::size_t>(id)]);
    }
    place(spec, id, text, true);
  }
}

void read_merges(const json& model, const std::string& where, TokenizerSpec& spec) {
  const json& merges = field(model, "merges", where);
  if (!merges.is_array()) fail(ErrorKind::input, "{}.merges: expected an array, found {}", where, merges.type_name());
  spec.merges.reserve(merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const json& merge = merges[i];
    if (merge.is_string()) {
      const std::string_view text = merge.get_ref<const std::string&>();
      const std::size_t space = text.find(' ');
      if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
        spec.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
        continue;
      }
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>());
      continue;
    }
    fail(ErrorKind::input, "{}.merges[{}]: expected \"left right\" or [\"left\", \"right\"], found {}", where, i,
         merge.dump(-1, ' ', false, json::error_handler_t::replace));
  }
}

void read_added(const json& root, std::size_t limit, const std::string& name, TokenizerSpec& spec) {
  const json& added = field(root, "added_tokens", name);
  if (added.is_null()) return;
  if (!added.is_array())
    fail(ErrorKind::input, "{}: added_tokens: expected an array, found {}", name, added.type_name());
  for (std::size_t i = 0; i < added.size(); ++i) {
    const std::string where = fmt::format("{}: added_tokens[{}]", name, i);
    AddedToken token;
    token.content = string_field(added[i], "content", "", where);
    token.id = read_id(field(added[i], "id", where), limit, where + ".id");
    token.special = bool_field(added[i], "special", false, where);
    token.normalized = bool_field(added[i], "normalized", !token.special, where);
    token.lstrip = bool_field(added[i], "lstrip", false, where);
    token.rstrip = bool_field(added[i], "rstrip", false, where);
    token.single_word = bool_field(added[i], "single_word", false, where);
    const auto at = static_cast<std::size_t>(token.id);
    // A control token that is also in the vocabulary must not come out of merging a user's text.
    const bool ordinary = at < spec.tokens.size() && spec.ordinary[at] && !token.special;
    place(spec, token.id, token.content, ordinary);
    spec.added.push_back(std::move(token));
  }
}

void read_model(const json& root, std::size_t limit, const std::string& name, TokenizerSpec& spec) {
  const json& model = field(root, "model", name);
  const std::string where = name + ": model";
  const std::string type = string_field(model, "type", "BPE", where);
  if (type != "BPE") fail(ErrorKind::unsupported, "{}.type: expected BPE, found \"{}\"", where, type);
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!string_field(model, affix, "", where).empty())
      fail(ErrorKind::unsupported, "{}.{}: expected none", where, affix);
  }
  const json& dropout = field(model, "dropout", where);
  if (!dropout.is_null() && dropout != 0.0) fail(ErrorKind::unsupported, "{}.dropout: expected none", where);
  spec.ignore_merges = bool_field(model, "ignore_merges", false, where);
  spec.byte_fallback = bool_field(model, "byte_fallback", false, where);
  spec.fuse_unknown = bool_field(model, "fuse_unk", false, where);
  read_vocabulary(model, limit, where, spec);
  read_merges(model, where, spec);
  const std::string unknown = string_field(model, "unk_token", "", where);
  if (unknown.empty()) return;
  const json& id = field(field(model, "vocab", where), unknown.c_str(), where);
  if (id.is_null()) fail(ErrorKind::input, "{}.unk_token: \"{}\" is not in the vocabulary", where, unknown);
  spec.unknown = read_id(id, limit, where + ".unk_token");
}

TokenId id_of_added(const TokenizerSpec& spec, std::string_view text) {
  for (const AddedToken& token : spec.added) {
    if (token.content == text) return token.id;
  }
  return -1;
}

// "bos_token": a string, an object with its content, or null.
TokenId configured_token(const json& config, const char* key, const std::string& where, const TokenizerSpec& spec) {
  const json& value = field(config, key, where);
  if (value.is_null()) return -1;
  const std::string text =
      value.is_object() ? string_field(value, "content", "", where + "." + key) : string_field(config, key, "", where);
  return id_of_added(spec, text);
}

void read_config(std::string_view text, const std::string& name, TokenizerSpec& spec) {
  const std::string where = name + " (tokenizer_config.json)";
  const json config = parse_json(text, where);
  spec.bos = configured_token(config, "bos_token", where, spec);
  spec.eos = configured_token(config, "eos_token", where, spec);
  spec.pad = configured_token(config, "pad_token", where, spec);
  spec.add_bos = bool_field(config, "add_bos_token", spec.add_bos, where) && spec.bos >= 0;
  spec.add_eos = bool_field(config, "add_eos_token", spec.add_eos, where) && spec.eos >= 0;
}

// Without tokenizer_config.json: by the names that the families use.
void guess_ends(TokenizerSpec& spec) {
  for (const char* text : {"<|begin_of_text|>", "<｜begin▁of▁sentence｜>", "<s>", "[BOS]"}) {
    if (spec.bos < 0) spec.bos = id_of_added(spec, text);
  }
  for (const char* text : {"<|eot_id|>", "<|im_end|>", "<｜end▁of▁sentence｜>", "</s>", "[EOS]", "<|endoftext|>"}) {
    if (spec.eos < 0) spec.eos = id_of_added(spec, text);
  }
}

}  // namespace

TokenizerSpec read_tokenizer_json(const json& root, std::span<const std::byte> config, const std::string& name) {
  TokenizerSpec spec;
  spec.name = name;
  if (!root.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", name, root.type_name());
  tokenizer_json::read_normalizer(field(root, "normalizer", name), name + ": normalizer", spec);
  tokenizer_json::read_pretokenizer(field(root, "pre_tokenizer", name), name + ": pre_tokenizer", spec);
  tokenizer_json::read_decoder(field(root, "decoder", name), name + ": decoder", spec);
  const std::size_t limit = id_limit(root, name);
  read_model(root, limit, name, spec);
  read_added(root, limit, name, spec);
  tokenizer_json::read_post_processor(field(root, "post_processor", name), name + ": post_processor", spec);
  if (config.empty()) {
    guess_ends(spec);
  } else {
    read_config(as_text(config), name, spec);
  }
  return spec;
}

Tokenizer Tokenizer::from_json(std::span<const std::byte> json_bytes, std::span<const std::byte> config,
                               const std::string& name) {
  const json root = parse_json(as_text(json_bytes), name);
  return Tokenizer(read_tokenizer_json(root, config, name));
}

Tokenizer Tokenizer::open(const std::string& path) {
  namespace fs = std::filesystem;
  if (path.ends_with(".gguf")) return from_gguf(GgufFile(path));
  const fs::path file = fs::is_directory(path) ? fs::path(path) / "tokenizer.json" : fs::path(path);
  const MappedFile tokenizer(file.string());
  const fs::path beside = file.parent_path() / "tokenizer_config.json";
  std::error_code ignored;
  const MappedFile config = fs::exists(beside, ignored) ? MappedFile(beside.string()) : MappedFile();
  return from_json(tokenizer.bytes(), config.bytes(), file.string());
}

}  // namespace limpid

// Tokenizers in GGUF metadata: tokenizer.ggml.* as llama.cpp's converters write them. A GGUF holds neither the
// normalizer nor the splitting expression; tokenizer.ggml.pre names the model's, and both follow from it (Qwen2's
// tokenizer.json has NFC).
#include <utility>

#include "base/error.h"
#include "formats/gguf.h"
#include "text/tokenizer.h"
#include "text/tokenizer_spec.h"

namespace limpid {

namespace {

// Values of tokenizer.ggml.token_type.
enum GgufTokenType : std::int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";

void read_tokens(const GgufFile& file, TokenizerSpec& spec) {
  const auto tokens = file.get<std::vector<std::string_view>>(kTokens);
  const auto types = file.get_or<std::vector<std::int32_t>>(kTypes, std::vector<std::int32_t>(tokens.size(), kNormal));
  if (types.size() != tokens.size()) {
    fail(ErrorKind::input, "{}: {}: expected {} values, one a token; found {}", file.path(), kTypes, tokens.size(),
         types.size());
  }
  spec.tokens.assign(tokens.begin(), tokens.end());
  spec.ordinary.resize(tokens.size());
  spec.byte_token.resize(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int32_t type = types[i];
    spec.ordinary[i] = type == kNormal || (type == kUserDefined && !spec.byte_level);
    spec.byte_token[i] = type == kByte;
    if (type != kControl && type != kUserDefined && type != kUnknown) continue;
    AddedToken added;
    added.content = spec.tokens[i];
    added.id = static_cast<TokenId>(i);
    added.special = type != kUserDefined;
    if (!added.content.empty()) spec.added.push_back(std::move(added));
  }
}

void read_merges(const GgufFile& file, TokenizerSpec& spec) {
  for (const std::string_view merge : file.get<std::vector<std::string_view>>("tokenizer.ggml.merges")) {
    // The left part may begin with a space in files of tokenizers with another alphabet; it is never empty.
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      fail(ErrorKind::input, "{}: tokenizer.ggml.merges: expected two parts and a space between, found \"{}\"",
           file.path(), merge);
    }
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
}

TokenId read_id(const GgufFile& file, const char* key) {
  const std::optional<std::int64_t> id = file.find<std::int64_t>(key);
  if (!id || *id == -1 || *id == 0xFFFFFFFF) return -1;  // both are written for "none"
  if (*id < 0 || *id > 0x7FFFFFFF)
    fail(ErrorKind::input, "{}: {}: expected a token id, found {}", file.path(), key, *id);
  return static_cast<TokenId>(*id);
}

void read_byte_level(const GgufFile& file, TokenizerSpec& spec) {
  const auto pre = file.get<std::string>("tokenizer.ggml.pre");
  spec.pretokenizer = Pretokenizer::from_gguf_name(pre, file.path());
  const bool llama3 = pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3";
  spec.ignore_merges = llama3;
  spec.add_bos = llama3;
  if (pre == "qwen2" || pre == "deepseek-r1-qwen") {
    spec.normalizer.push_back({NormalizerStep::Kind::form, NormalForm::nfc, "", ""});
  }
  read_merges(file, spec);
}

void read_sentencepiece(const GgufFile& file, TokenizerSpec& spec) {
  const std::string marker = "\xE2\x96\x81";  // U+2581
  spec.scores = file.get<std::vector<float>>("tokenizer.ggml.scores");
  if (spec.scores.size() != spec.tokens.size()) {
    fail(ErrorKind::input, "{}: tokenizer.ggml.scores: expected {} values, one a token; found {}", file.path(),
         spec.tokens.size(), spec.scores.size());
  }
  for (const float score : spec.scores) {
    if (score != score) fail(ErrorKind::input, "{}: tokenizer.ggml.scores: a value is not a number", file.path());
  }
  const bool space_first = file.get_or<bool>("tokenizer.ggml.add_space_prefix", true);
  if (space_first) spec.normalizer.push_back({NormalizerStep::Kind::prepend, NormalForm::nfc, "", marker});
  spec.normalizer.push_back({NormalizerStep::Kind::replace, NormalForm::nfc, " ", marker});
  spec.strip_leading_space = space_first;
  spec.byte_fallback = true;
  spec.fuse_unknown = true;
  spec.add_bos = true;
}

}  // namespace

TokenizerSpec read_tokenizer_gguf(const GgufFile& file) {
  TokenizerSpec spec;
  spec.name = file.path();
  const auto model = file.get<std::string>("tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama") {
    fail(ErrorKind::unsupported, "{}: tokenizer.ggml.model: expected gpt2 or llama, found \"{}\"", file.path(), model);
  }
  spec.byte_level = model == "gpt2";
  read_tokens(file, spec);
  if (spec.byte_level) {
    read_byte_level(
        file, spec);  // without an unknown token: a byte that the vocabulary lacks yields none, as in tokenizer.json
  } else {
    read_sentencepiece(file, spec);
    spec.unknown = read_id(file, "tokenizer.ggml.unknown_token_id");
  }
  spec.bos = read_id(file, "tokenizer.ggml.bos_token_id");
  spec.eos = read_id(file, "tokenizer.ggml.eos_token_id");
  spec.eot = read_id(file, "tokenizer.ggml.eot_token_id");
  spec.pad = read_id(file, "tokenizer.ggml.padding_token_id");
  spec.add_bos = file.get_or<bool>("tokenizer.ggml.add_bos_token", bool(spec.add_bos));
  spec.add_eos = file.get_or<bool>("tokenizer.ggml.add_eos_token", false);
  return spec;
}

Tokenizer Tokenizer::from_gguf(const GgufFile& file) { return Tokenizer(read_tokenizer_gguf(file)); }

}  // namespace limpid

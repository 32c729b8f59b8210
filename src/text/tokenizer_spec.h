// TokenizerSpec: what a tokenizer is made of, whichever file it was read from. The readers (tokenizer_json.cpp,
// tokenizer_gguf.cpp) fill it in; Tokenizer is built from it, and a tokenizer is written in the other form from it.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/bpe.h"
#include "text/pretokenizer.h"
#include "text/unicode_normalize.h"

namespace limpid {

// A token that is looked for in the text before anything else (Hugging Face's AddedToken).
struct AddedToken {
  std::string content;
  TokenId id = -1;
  bool special = false;      // a control token
  bool normalized = false;   // looked for after normalization instead of before
  bool lstrip = false;       // takes the white space on its left with it
  bool rstrip = false;       // and on its right
  bool single_word = false;  // only where no word character touches it
};

// One step of normalization: a normal form, a text in front, or one string for another.
struct NormalizerStep {
  enum class Kind { form, prepend, replace } kind;
  NormalForm form = NormalForm::nfc;
  std::string from, to;  // prepend uses to
};

// A prefix that is put before text unless it begins so: ByteLevel's add_prefix_space and Metaspace.
enum class PrefixWhen { never, first, always };  // first: only at the beginning of the whole text

struct TokenizerSpec {
  std::string name;  // the file, for errors

  // byte_level: tokens are written in GPT-2's byte alphabet. Otherwise as SentencePiece does: characters, U+2581 for a
  // space and <0xXX> for bytes.
  bool byte_level = true;
  std::vector<std::string> tokens;  // by id, as the file writes them; empty: no such token
  std::vector<bool> ordinary;       // by id: part of the model's vocabulary, so that merging may yield it
  std::vector<bool> byte_token;     // by id: <0xXX> (not byte_level only)
  std::vector<std::pair<std::string_view, std::string_view>>
      merges;                 // in order of rank; views into what the reader holds
  std::vector<float> scores;  // instead of merges: by id, the highest merges first (SentencePiece in GGUF)
  std::vector<AddedToken> added;
  std::vector<NormalizerStep> normalizer;
  Pretokenizer pretokenizer;
  PrefixWhen prefix_when = PrefixWhen::never;
  std::string prefix;
  bool ignore_merges = false;  // a piece that is a token is that token (Llama 3)
  bool byte_fallback = false;  // a character that is no token becomes its bytes' tokens
  bool fuse_unknown = false;   // neighbouring unknown characters make one unknown token
  TokenId unknown = -1;
  bool strip_leading_space = false;  // decoding takes one space off the beginning

  TokenId bos = -1, eos = -1, eot = -1, pad = -1;
  bool add_bos = false, add_eos = false;
};

class GgufFile;
// As Tokenizer::from_json and from_gguf (text/tokenizer.h). The spec's merges are views into root or file.
TokenizerSpec read_tokenizer_json(const nlohmann::json& root, std::span<const std::byte> config,
                                  const std::string& name);
TokenizerSpec read_tokenizer_gguf(const GgufFile& file);

}  // namespace limpid

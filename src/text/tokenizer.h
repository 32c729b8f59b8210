// Tokenizer: text to token ids and back, id by id as Hugging Face `tokenizers` gives them for the same tokenizer.json.
// Byte-pair encoding over bytes (GPT-2, Llama 3, Qwen2, DeepSeek, SmolLM2, Kimi-K2) or over characters with byte
// fallback (SentencePiece: Llama 2), read from a GGUF's metadata or from tokenizer.json.
//
// Bytes that are no UTF-8 count as U+FFFD. Control tokens that stand in the text stay text unless the caller asks: a
// control token is one that the file calls special, or whose text is a marker, "<...>" or "[...]" (DeepSeek's
// "<｜User｜>" is not called special in its tokenizer.json, and a user must not be able to end his turn with it). Other
// added tokens (words that the file adds) are always found.
//
// Immutable once built: every method is safe from any thread. Encoding is linear in the text for practical purposes (a
// piece of n symbols costs n log n) and keeps what it remembers about repeated pieces within the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"

namespace limpid {

class GgufFile;
struct TokenizerSpec;
struct TokenizerState;

struct EncodeOptions {
  bool special = false;  // control tokens in the text count as such
  bool bos = false;      // put BOS first, if the tokenizer has one and whatever add_bos() says
  bool eos = false;      // put EOS last, likewise
  // Taken out after control tokens were looked for, before anything else: put inside the text of a control token, it
  // makes that one plain text while others count (chat/content_guard.h). Empty: none.
  std::string_view guard = {};
  // Stops as soon as there are more ids than this: there are then more, and which they are is of no use.
  std::size_t most = SIZE_MAX;
};

class Tokenizer {
 public:
  // From tokenizer.ggml.*. Throws Error(input | unsupported) naming the file and key.
  static Tokenizer from_gguf(const GgufFile& file);
  // From the bytes of tokenizer.json and, when there is one, tokenizer_config.json (BOS, EOS, add_bos_token). name
  // stands for the file in errors. Throws Error(input | unsupported) naming the field.
  static Tokenizer from_json(std::span<const std::byte> json, std::span<const std::byte> config,
                             const std::string& name);
  // From a tokenizer.json, a directory that holds one, or a .gguf file; tokenizer_config.json is taken from beside it.
  static Tokenizer open(const std::string& path);
  explicit Tokenizer(TokenizerSpec spec);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Throws Error(resources) when the text is longer than 4 GiB or a regular expression of the file exceeds its limits.
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const;

  // Bytes of all tokens (control tokens as their text, unless skip_special). They need not be whole characters: see
  // stream_decoder.h. Throws Error(input) for an id that is no token.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false) const;
  // Bytes of one token, valid as long as the tokenizer. Throws Error(input) for an id that is none; an unused id has
  // none: "".
  std::string_view token_bytes(TokenId id) const;

  // One more than the highest id. A model's logits may have more columns (padding), never fewer.
  std::size_t vocabulary_size() const;

  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;  // end of the text
  std::optional<TokenId> eot() const;  // end of a turn, where the file tells it apart from eos
  std::optional<TokenId> pad() const;
  bool add_bos() const;  // whether prompts of this model begin with BOS
  bool add_eos() const;
  // Tokens that end a generation: eos, eot, and markers of the known families by their text.
  std::span<const TokenId> end_ids() const;

  // The added or control token of exactly this text.
  std::optional<TokenId> special_id(std::string_view text) const;
  // A control token (see above). Throws Error(input) for an id that is no token.
  bool is_special(TokenId id) const;

 private:
  std::unique_ptr<const TokenizerState> state_;
};

}  // namespace limpid

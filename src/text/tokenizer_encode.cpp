// One call of encode: added tokens are cut out, the rest is normalized, cut into pieces and merged. All working memory
// and the cache of pieces belong to the call, so that a Tokenizer needs no lock.
#include "text/tokenizer_encode.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "base/error.h"
#include "text/tokenizer_state.h"
#include "text/unicode.h"

namespace limpid {

namespace {

// Short pieces of natural text repeat: their tokens are remembered in a direct-mapped table (a collision overwrites).
class PieceCache {
 public:
  static constexpr std::size_t kMostBytes = 15, kMostIds = 3;
  struct Entry {
    char key[16] = {};  // the piece, zeros, and its length last: 0 = empty entry
    TokenId ids[kMostIds] = {};
    std::uint32_t count = 0;
  };

  // Sized by the text: 512 KiB at most, nothing for a text of a few words.
  explicit PieceCache(std::size_t text_bytes)
      : entries_(text_bytes < 512 ? 0 : std::bit_ceil(std::min<std::size_t>(text_bytes / 16, 16384))) {}

  // Where the piece belongs, nullptr when it is too long to be kept; hit says whether it is there.
  Entry* slot(std::string_view piece, bool& hit) {
    hit = false;
    if (piece.size() > kMostBytes || entries_.empty()) return nullptr;
    char key[16] = {};
    std::memcpy(key, piece.data(), piece.size());
    key[15] = static_cast<char>(piece.size());
    std::uint64_t low = 0, high = 0;
    std::memcpy(&low, key, 8);
    std::memcpy(&high, key + 8, 8);
    std::uint64_t h = low * 0x9E3779B97F4A7C15ull ^ std::rotl(high * 0xC2B2AE3D27D4EB4Full, 29);
    h ^= h >> 32;
    Entry* const entry = &entries_[h & (entries_.size() - 1)];
    hit = std::memcmp(entry->key, key, 16) == 0;
    if (!hit) {
      std::memcpy(entry->key, key, 16);
      entry->count = 0;
    }
    return entry;
  }

 private:
  std::vector<Entry> entries_;
};

class Encoder {
 public:
  Encoder(const TokenizerState& state, std::size_t text_bytes) : state_(state), cache_(text_bytes) {
    out_.reserve(std::min<std::size_t>(text_bytes / 3, 1 << 16) + 8);
  }

  // text is valid UTF-8.
  std::vector<TokenId> run(std::string_view text, EncodeOptions options) {
    if (options.bos && state_.bos >= 0) out_.push_back(state_.bos);
    control_ = options.special;
    guard_ = options.guard;
    most_ = options.most;
    if (state_.before_normalization.empty()) {
      encode_normalized(text, true);
    } else {
      std::vector<AddedPiece> parts;
      state_.before_normalization.split(text, control_, parts);
      for (const AddedPiece& part : parts) {
        if (full()) break;
        if (part.id >= 0) {
          out_.push_back(part.id);
        } else {
          encode_normalized(part.text, part.text.data() == text.data());
        }
      }
    }
    if (options.eos && state_.eos >= 0) out_.push_back(state_.eos);
    return std::move(out_);
  }

 private:
  void encode_normalized(std::string_view text, bool at_start) {
    std::string normalized;
    const bool only_nfc = state_.normalizer.size() == 1 && state_.normalizer[0].kind == NormalizerStep::Kind::form &&
                          state_.normalizer[0].form == NormalForm::nfc;
    if (!state_.normalizer.empty() && !(only_nfc && is_surely_nfc(text))) {
      normalized = run_normalizer(state_.normalizer, text);
      text = normalized;
    }
    if (state_.after_normalization.empty()) {
      encode_text_run(text, at_start);
      return;
    }
    std::vector<AddedPiece> parts;
    state_.after_normalization.split(text, control_, parts);
    for (const AddedPiece& part : parts) {
      if (full()) return;
      if (part.id >= 0) {
        out_.push_back(part.id);
      } else {
        encode_text_run(part.text, at_start && part.text.data() == text.data());
      }
    }
  }

  void encode_text_run(std::string_view text, bool at_start) {
    std::string unguarded;
    if (!guard_.empty() && text.find(guard_) != std::string_view::npos) {
      for (std::size_t from = 0; from < text.size();) {
        const std::size_t at = std::min(text.find(guard_, from), text.size());
        unguarded += text.substr(from, at - from);
        from = at + guard_.size();
      }
      text = unguarded;
    }
    std::string prefixed;
    const bool prefix =
        state_.prefix_when == PrefixWhen::always || (state_.prefix_when == PrefixWhen::first && at_start);
    if (prefix && !text.empty() && !text.starts_with(state_.prefix)) {
      prefixed.reserve(state_.prefix.size() + text.size());
      prefixed = state_.prefix;
      prefixed += text;
      text = prefixed;
    }
    pieces_.clear();
    state_.pretokenizer.split(text, pieces_, scratch_pieces_);
    if (state_.byte_level) {
      for (std::size_t i = 0; i < pieces_.size() && !full(); ++i) encode_bytes(pieces_[i]);
    } else {
      for (std::size_t i = 0; i < pieces_.size() && !full(); ++i) encode_characters(pieces_[i]);
    }
  }

  bool full() const { return out_.size() > most_; }

  // A piece that would be merged for long, and be too long whatever comes out.
  bool cannot_fit(std::string_view piece) {
    if (state_.longest == 0 || piece.size() / state_.longest <= most_ - out_.size()) return false;
    out_.resize(most_ + 1);
    return true;
  }

  void encode_bytes(std::string_view piece) {
    if (piece.size() == 1) {
      push_byte(piece[0]);
      return;
    }
    if (cannot_fit(piece)) return;
    bool hit = false;
    PieceCache::Entry* const entry = cache_.slot(piece, hit);
    if (hit && entry->count > 0) {
      out_.insert(out_.end(), entry->ids, entry->ids + entry->count);
      return;
    }
    const std::size_t before = out_.size();
    if (const TokenId whole = state_.ignore_merges ? state_.index.find(state_.strings(), piece) : -1; whole >= 0) {
      out_.push_back(whole);
    } else {
      merge_bytes(piece);
    }
    remember(entry, before);
  }

  void remember(PieceCache::Entry* entry, std::size_t before) {
    const std::size_t count = out_.size() - before;
    if (entry == nullptr || count > PieceCache::kMostIds) return;
    std::copy(out_.begin() + static_cast<std::ptrdiff_t>(before), out_.end(), entry->ids);
    entry->count = static_cast<std::uint32_t>(count);
  }

  // A byte that the vocabulary lacks is the unknown token, or nothing when there is none.
  TokenId id_of_byte(char byte) const {
    const TokenId id = state_.byte_ids[static_cast<unsigned char>(byte)];
    return id >= 0 ? id : state_.unknown;
  }

  void push_byte(char byte) {
    if (const TokenId id = id_of_byte(byte); id >= 0) out_.push_back(id);
  }

  void push_symbol(char byte) {
    const TokenId id = id_of_byte(byte);
    if (id < 0) return;
    if (id == state_.unknown && state_.fuse_unknown && !symbols_.empty() && symbols_.back() == id) return;
    symbols_.push_back(id);
  }

  void merge_bytes(std::string_view piece) {
    symbols_.clear();
    for (std::size_t i = 0; i < piece.size();) {
      const std::uint32_t size = utf8_length(piece[i]);
      if (const TokenId id = size == 2 || size == 3 ? state_.characters.find(piece, i, size) : -1; id >= 0) {
        symbols_.push_back(id);
      } else {
        for (const char byte : piece.substr(i, size)) push_symbol(byte);
      }
      i += size;
    }
    merge_symbols(state_.merges, symbols_, bpe_);
    out_.insert(out_.end(), symbols_.begin(), symbols_.end());
  }

  // SentencePiece's way: the symbols are characters. Cut into words where that cannot change the result.
  void encode_characters(std::string_view text) {
    while (!text.empty() && !full()) {
      std::size_t cut = text.size();
      if (state_.cut_at_marker) {
        std::size_t lead = 0;
        while (text.substr(lead, kSpaceMarker.size()) == kSpaceMarker) lead += kSpaceMarker.size();
        cut = std::min(text.size(), text.find(kSpaceMarker, lead));
      }
      encode_word(text.substr(0, cut));
      text.remove_prefix(cut);
    }
  }

  void encode_word(std::string_view word) {
    bool hit = false;
    PieceCache::Entry* const entry = cache_.slot(word, hit);
    if (hit && entry->count > 0) {
      out_.insert(out_.end(), entry->ids, entry->ids + entry->count);
      return;
    }
    const std::size_t before = out_.size();
    if (const TokenId whole = state_.ignore_merges ? state_.index.find(state_.strings(), word) : -1; whole >= 0) {
      out_.push_back(whole);
    } else {
      symbols_.clear();
      for (std::size_t i = 0; i < word.size(); i += utf8_length(word[i])) {
        push_character(word.substr(i, utf8_length(word[i])));
      }
      merge_symbols(state_.merges, symbols_, bpe_);
      out_.insert(out_.end(), symbols_.begin(), symbols_.end());
    }
    remember(entry, before);
  }

  void push_character(std::string_view character) {
    if (const TokenId id = state_.index.find(state_.strings(), character); id >= 0) {
      symbols_.push_back(id);
      return;
    }
    if (state_.byte_fallback) {
      const auto known = [&](char byte) { return state_.byte_ids[static_cast<unsigned char>(byte)] >= 0; };
      if (std::all_of(character.begin(), character.end(), known)) {
        for (const char byte : character) symbols_.push_back(state_.byte_ids[static_cast<unsigned char>(byte)]);
        return;
      }
    }
    if (state_.unknown < 0) return;
    if (state_.fuse_unknown && !symbols_.empty() && symbols_.back() == state_.unknown) return;
    symbols_.push_back(state_.unknown);
  }

  const TokenizerState& state_;
  PieceCache cache_;
  bool control_ = false;
  std::string_view guard_;
  std::size_t most_ = SIZE_MAX;
  std::vector<TokenId> out_, symbols_;
  Pieces pieces_, scratch_pieces_;
  BpeScratch bpe_;
};

}  // namespace

std::vector<TokenId> encode_text(const TokenizerState& state, std::string_view text, EncodeOptions options) {
  if (text.size() >= 0xFFFFFFF0u)
    fail(ErrorKind::resources, "text of {} bytes: at most 4 GiB are encoded at once", text.size());
  if (valid_utf8_prefix(text) == text.size()) return Encoder(state, text.size()).run(text, options);
  const std::string valid = to_valid_utf8(text);
  return Encoder(state, valid.size()).run(valid, options);
}

}  // namespace limpid

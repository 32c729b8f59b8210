#include "text/tokenizer.h"

#include "base/error.h"
#include "text/tokenizer_encode.h"
#include "text/tokenizer_state.h"

namespace limpid {

namespace {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  for (;;) {
    const std::size_t at = text.find(from);
    out.append(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    out.append(to);
    text.remove_prefix(at + from.size());
  }
}

std::optional<TokenId> optional_id(TokenId id) { return id < 0 ? std::nullopt : std::optional<TokenId>(id); }

void check_id(const TokenizerState& state, TokenId id) {
  if (id < 0 || static_cast<std::size_t>(id) >= state.bytes.size()) {
    fail(ErrorKind::input, "{}: token id {}: expected 0 to {}", state.name, id,
         static_cast<std::int64_t>(state.bytes.size()) - 1);
  }
}

}  // namespace

std::string run_normalizer(const std::vector<NormalizerStep>& steps, std::string_view text) {
  std::string out(text);
  for (const NormalizerStep& step : steps) {
    switch (step.kind) {
      case NormalizerStep::Kind::form:
        out = normalize(out, step.form);
        break;
      case NormalizerStep::Kind::prepend:
        if (!out.empty()) out.insert(0, step.to);
        break;
      case NormalizerStep::Kind::replace:
        out = replace_all(out, step.from, step.to);
        break;
    }
  }
  return out;
}

Tokenizer::Tokenizer(TokenizerSpec spec)
    : state_(std::make_unique<const TokenizerState>(build_state(std::move(spec)))) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  return encode_text(*state_, text, options);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string out;
  bool first = true;
  for (const TokenId id : ids) {
    check_id(*state_, id);
    if (skip_special && state_->special[static_cast<std::size_t>(id)]) continue;
    const std::string_view bytes = state_->bytes.at(id);
    // SentencePiece puts a space in front of the text; it is the first character of what is decoded, wherever that
    // comes from.
    const bool strip = first && state_->strip_leading_space && !bytes.empty() && bytes[0] == ' ';
    out.append(strip ? bytes.substr(1) : bytes);
    if (!bytes.empty()) first = false;
  }
  return out;
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  check_id(*state_, id);
  return state_->bytes.at(id);
}

std::size_t Tokenizer::vocabulary_size() const { return state_->bytes.size(); }
std::optional<TokenId> Tokenizer::bos() const { return optional_id(state_->bos); }
std::optional<TokenId> Tokenizer::eos() const { return optional_id(state_->eos); }
std::optional<TokenId> Tokenizer::eot() const { return optional_id(state_->eot); }
std::optional<TokenId> Tokenizer::pad() const { return optional_id(state_->pad); }
bool Tokenizer::add_bos() const { return state_->add_bos; }
bool Tokenizer::add_eos() const { return state_->add_eos; }
std::span<const TokenId> Tokenizer::end_ids() const { return state_->end_ids; }

std::optional<TokenId> Tokenizer::special_id(std::string_view text) const {
  const auto it = state_->special_ids.find(std::string(text));
  return it == state_->special_ids.end() ? std::nullopt : std::optional<TokenId>(it->second);
}

bool Tokenizer::is_special(TokenId id) const {
  check_id(*state_, id);
  return state_->special[static_cast<std::size_t>(id)];
}

}  // namespace limpid

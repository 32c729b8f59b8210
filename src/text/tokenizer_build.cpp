// From TokenizerSpec to TokenizerState: vocabulary, merge table, added tokens.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "text/tokenizer_state.h"
#include "text/unicode.h"

namespace limpid {

namespace {

// Texts that end a turn or the text in the families of models that are read here; the first kTurnEnds end a turn.
constexpr std::string_view kEndTexts[] = {"<|im_end|>",
                                          "<|eot_id|>",
                                          "<|EOT|>",
                                          "<end_of_turn>",
                                          "<|eom_id|>",
                                          "<|endoftext|>",
                                          "<|end_of_text|>",
                                          "<｜end▁of▁sentence｜>",
                                          "</s>",
                                          "[EOS]",
                                          "[EOT]"};
constexpr std::size_t kTurnEnds = 4;

// The byte of "<0x1F>"; -1 for another text.
int byte_of_name(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool is_marker(std::string_view text) {
  return text.size() >= 3 &&
         ((text.front() == '<' && text.back() == '>') || (text.front() == '[' && text.back() == ']'));
}

std::string with_spaces(std::string_view text) {
  return run_normalizer({{NormalizerStep::Kind::replace, NormalForm::nfc, std::string(kSpaceMarker), " "}}, text);
}

bool in_range(TokenId id, std::size_t size) { return id >= 0 && static_cast<std::size_t>(id) < size; }

void check_ids(const TokenizerSpec& spec) {
  const std::size_t size = spec.tokens.size();
  for (const AddedToken& token : spec.added) {
    if (!in_range(token.id, size)) {
      fail(ErrorKind::input, "{}: added token \"{}\": id {} is not among {} tokens", spec.name, token.content, token.id,
           size);
    }
  }
  const std::pair<const char*, TokenId> named[] = {
      {"bos", spec.bos}, {"eos", spec.eos}, {"eot", spec.eot}, {"pad", spec.pad}, {"unknown", spec.unknown}};
  for (const auto& [what, id] : named) {
    if (id != -1 && !in_range(id, size)) {
      fail(ErrorKind::input, "{}: {} token: id {} is not among {} tokens", spec.name, what, id, size);
    }
  }
}

// Gives which ids merging may yield.
std::vector<bool> build_vocabulary(const TokenizerSpec& spec, TokenizerState& state) {
  const std::size_t size = spec.tokens.size();
  std::vector<std::string> bytes(size);
  std::vector<bool> reachable(size, false);
  state.byte_ids.fill(-1);
  for (std::size_t i = 0; i < size; ++i) {
    const std::string& text = spec.tokens[i];
    const auto id = static_cast<TokenId>(i);
    if (spec.byte_level) {
      std::optional<std::string> decoded = bytes_of_characters(text);
      reachable[i] = spec.ordinary[i] && decoded && !decoded->empty();
      bytes[i] = decoded ? std::move(*decoded) : text;
      if (reachable[i] && bytes[i].size() == 1) {
        TokenId& slot = state.byte_ids[static_cast<unsigned char>(bytes[i][0])];
        if (slot < 0) slot = id;
      }
    } else if (const int byte = byte_of_name(text); byte >= 0 && (spec.byte_token[i] || spec.scores.empty())) {
      bytes[i].assign(1, static_cast<char>(byte));
      state.byte_ids[static_cast<std::size_t>(byte)] = id;
    } else {
      bytes[i] = with_spaces(text);
      reachable[i] = spec.ordinary[i] && !text.empty();
    }
  }
  for (const AddedToken& token : spec.added) {
    const auto i = static_cast<std::size_t>(token.id);
    if (!reachable[i]) bytes[i] = token.content;
  }
  if (spec.byte_level && std::ranges::all_of(state.byte_ids, [](TokenId id) { return id >= 0; }))
    for (const std::string& each : bytes) state.longest = std::max(state.longest, each.size());
  state.bytes = TokenStrings(bytes);
  if (!spec.byte_level) state.pieces = TokenStrings(spec.tokens);
  state.index = TokenIndex(size);
  for (std::size_t i = 0; i < size; ++i) {
    if (reachable[i]) state.index.add(state.strings(), static_cast<TokenId>(i));
  }
  return reachable;
}

// Merges that the file lists, rank by rank.
void build_listed_merges(const TokenizerSpec& spec, TokenizerState& state, std::vector<std::uint32_t>& lowest_rank) {
  state.merges.reserve(spec.merges.size());
  std::uint32_t rank = 0;
  for (const auto& [left, right] : spec.merges) {
    const std::uint32_t this_rank = rank++;
    std::string parts[2] = {std::string(left), std::string(right)};
    if (spec.byte_level) {
      const std::optional<std::string> a = bytes_of_characters(left), b = bytes_of_characters(right);
      if (!a || !b) continue;  // another alphabet: no text can reach it
      parts[0] = *a;
      parts[1] = *b;
    }
    const auto id_of = [&](std::string_view text) {
      const TokenId id = state.index.find(state.strings(), text);
      if (id < 0) {
        fail(ErrorKind::input, "{}: merge {}: \"{}\" + \"{}\": \"{}\" is not in the vocabulary", spec.name, this_rank,
             left, right, text);
      }
      return id;
    };
    const TokenId a = id_of(parts[0]), b = id_of(parts[1]), joined = id_of(parts[0] + parts[1]);
    state.merges.add(a, b, this_rank, joined);
    for (const TokenId part : {a, b}) {
      std::uint32_t& lowest = lowest_rank[static_cast<std::size_t>(part)];
      lowest = std::min(lowest, this_rank);
    }
  }
}

// SentencePiece lists no merges: any two neighbours merge whose concatenation is a token, the token of the highest
// score first.
void build_scored_merges(const TokenizerSpec& spec, TokenizerState& state) {
  std::vector<TokenId> order;
  for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
    if (spec.ordinary[i] && !spec.tokens[i].empty()) order.push_back(static_cast<TokenId>(i));
  }
  const auto score = [&](TokenId id) { return spec.scores[static_cast<std::size_t>(id)]; };
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return score(a) > score(b); });
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && score(order[i]) < score(order[i - 1])) ++rank;  // equal scores: the leftmost pair first
    const std::string& text = spec.tokens[static_cast<std::size_t>(order[i])];
    if (state.index.find(state.strings(), text) != order[i] || valid_utf8_prefix(text) != text.size()) continue;
    for (std::size_t cut = utf8_length(text[0]); cut < text.size(); cut += utf8_length(text[cut])) {
      const std::string_view view(text);
      const TokenId left = state.index.find(state.strings(), view.substr(0, cut));
      const TokenId right = state.index.find(state.strings(), view.substr(cut));
      if (left >= 0 && right >= 0) state.merges.add(left, right, rank, order[i]);
    }
  }
}

// Whether no token that merging can yield has a U+2581 behind another character.
bool marker_only_leads(const TokenizerSpec& spec) {
  for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
    if (!spec.ordinary[i]) continue;
    const std::string_view text = spec.tokens[i];
    std::size_t lead = 0;
    while (text.substr(lead, kSpaceMarker.size()) == kSpaceMarker) lead += kSpaceMarker.size();
    if (text.find(kSpaceMarker, lead) != std::string_view::npos) return false;
  }
  return true;
}

void build_added(const TokenizerSpec& spec, TokenizerState& state) {
  state.special.assign(spec.tokens.size(), false);
  for (const AddedToken& token : spec.added) {
    const bool control = token.special || is_marker(token.content);
    state.special[static_cast<std::size_t>(token.id)] = control;
    state.special_ids.emplace(token.content, token.id);
    if (token.normalized && !spec.normalizer.empty()) {
      state.after_normalization.add(token, run_normalizer(spec.normalizer, token.content), control);
    } else if (token.normalized) {
      state.after_normalization.add(token, token.content, control);
    } else {
      state.before_normalization.add(token, token.content, control);
    }
  }
}

void find_end_ids(TokenizerState& state) {
  const auto add = [&](TokenId id) {
    if (id >= 0 && std::find(state.end_ids.begin(), state.end_ids.end(), id) == state.end_ids.end()) {
      state.end_ids.push_back(id);
    }
  };
  add(state.eos);
  add(state.eot);
  for (std::size_t i = 0; i < std::size(kEndTexts); ++i) {
    const auto it = state.special_ids.find(std::string(kEndTexts[i]));
    if (it == state.special_ids.end()) continue;
    add(it->second);
    if (i < kTurnEnds && state.eot < 0) state.eot = it->second;
  }
}

}  // namespace

TokenizerState build_state(TokenizerSpec spec) {
  check_ids(spec);
  TokenizerState state;
  state.name = spec.name;
  state.byte_level = spec.byte_level;
  state.ignore_merges = spec.ignore_merges;
  state.byte_fallback = spec.byte_fallback;
  state.fuse_unknown = spec.fuse_unknown;
  state.strip_leading_space = spec.strip_leading_space;
  state.add_bos = spec.add_bos;
  state.add_eos = spec.add_eos;
  const std::vector<bool> reachable = build_vocabulary(spec, state);
  if (spec.scores.empty()) {
    std::vector<std::uint32_t> lowest_rank(spec.tokens.size(), MergeTable::kNoRank);
    build_listed_merges(spec, state, lowest_rank);
    if (spec.byte_level) {
      state.characters = CharacterStart(state.bytes, reachable, state.byte_ids.data(), state.merges, lowest_rank);
    }
  } else {
    build_scored_merges(spec, state);
  }
  state.cut_at_marker = !spec.byte_level && !spec.ignore_merges && marker_only_leads(spec) &&
                        state.index.find(state.strings(), kSpaceMarker) >= 0;
  build_added(spec, state);
  state.normalizer = std::move(spec.normalizer);
  state.pretokenizer = std::move(spec.pretokenizer);
  state.prefix_when = spec.prefix_when;
  state.prefix = std::move(spec.prefix);
  state.unknown = spec.unknown;
  state.bos = spec.bos;
  state.eos = spec.eos;
  state.eot = spec.eot;
  state.pad = spec.pad;
  find_end_ids(state);
  return state;
}

}  // namespace limpid

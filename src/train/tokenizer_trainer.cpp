#include "train/tokenizer_trainer.h"

#include <algorithm>
#include <map>
#include <queue>

#include "base/error.h"
#include "text/unicode.h"

namespace limpid {

const std::string_view kControlTokens[3] = {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"};
const std::string_view kMarks[7] = {"<think>",       "</think>",   "<｜fim▁hole｜>", "<｜fim▁begin｜>",
                                    "<｜fim▁end｜>", "<｜User｜>", "<｜Assistant｜>"};

namespace {

// Bytes in the order of GPT-2's alphabet: the printable ones of Latin-1 first, then the others.
std::vector<unsigned char> byte_order() {
  std::vector<unsigned char> printable, other;
  for (int b = 0; b < 256; ++b) {
    const bool shown = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    (shown ? printable : other).push_back(static_cast<unsigned char>(b));
  }
  printable.insert(printable.end(), other.begin(), other.end());
  return printable;
}

std::uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

struct Word {
  std::vector<TokenId> symbols;
  std::uint64_t count;
};

class Learner {
 public:
  Learner(const std::unordered_map<std::string, std::uint64_t>& pieces, const TokenizerPlan& plan) : plan_(plan) {
    for (const std::string_view token : kControlTokens) out_.tokens.emplace_back(token);
    byte_id_.resize(256);
    for (const unsigned char byte : byte_order()) {
      byte_id_[byte] = static_cast<TokenId>(out_.tokens.size());
      out_.tokens.emplace_back(1, static_cast<char>(byte));
    }
    const std::size_t fixed = out_.tokens.size() + std::size(kMarks);
    if (plan.vocabulary < fixed) {
      fail(ErrorKind::input, "tokenizer: a vocabulary of {}: bytes and control tokens alone are {}", plan.vocabulary,
           fixed);
    }
    // A hash table has no order of its own: the pieces are put into one.
    std::vector<std::pair<std::string_view, std::uint64_t>> sorted(pieces.begin(), pieces.end());
    std::sort(sorted.begin(), sorted.end());
    learn_characters(sorted);
    for (const auto& [text, count] : sorted) words_.push_back({symbols_of(text), count});
  }

  TrainedTokenizer run() {
    count_pairs();
    while (room() > 0) {
      const std::uint64_t best = next_pair();
      if (best == 0) {
        fail(ErrorKind::input, "tokenizer: the text has pairs for {} ids, a vocabulary of {} was asked for",
             out_.tokens.size() + std::size(kMarks), plan_.vocabulary);
      }
      join_everywhere(best);
    }
    for (const std::string_view mark : kMarks) out_.tokens.emplace_back(mark);
    return std::move(out_);
  }

 private:
  std::size_t room() const { return plan_.vocabulary - std::size(kMarks) - out_.tokens.size(); }

  TokenId add_merge(TokenId left, TokenId right) {
    out_.merges.emplace_back(left, right);
    out_.tokens.push_back(out_.tokens[static_cast<std::size_t>(left)] + out_.tokens[static_cast<std::size_t>(right)]);
    return static_cast<TokenId>(out_.tokens.size() - 1);
  }

  // The most frequent characters first; equal ones by code point.
  void learn_characters(const std::vector<std::pair<std::string_view, std::uint64_t>>& pieces) {
    std::map<std::string_view, std::uint64_t> counts;
    for (const auto& [text, count] : pieces) {
      for (std::size_t i = 0; i < text.size(); i += utf8_length(text[i])) {
        if (utf8_length(text[i]) > 1) counts[text.substr(i, utf8_length(text[i]))] += count;
      }
    }
    std::vector<std::pair<std::string_view, std::uint64_t>> common;
    for (const auto& entry : counts) {
      if (entry.second >= plan_.character_count) common.push_back(entry);
    }
    std::stable_sort(common.begin(), common.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    std::unordered_map<std::string, TokenId> known;  // characters and their beginnings
    for (const auto& [character, count] : common) {
      TokenId left = byte_of(character[0]);
      for (std::size_t size = 2; size <= character.size(); ++size) {
        const auto [it, fresh] = known.try_emplace(std::string(character.substr(0, size)), 0);
        if (fresh) {
          if (room() == 0) {
            fail(ErrorKind::input,
                 "tokenizer: a vocabulary of {} has no room for the {} characters that occur {} times or more",
                 plan_.vocabulary, common.size(), plan_.character_count);
          }
          it->second = add_merge(left, byte_of(character[size - 1]));
        }
        left = it->second;
      }
      character_id_.emplace(std::string(character), left);
    }
    out_.characters = common.size();
  }

  TokenId byte_of(char c) const { return byte_id_[static_cast<unsigned char>(c)]; }

  // Whole characters as one id each; -1 stands for a character that stays bytes, which nothing is joined with.
  std::vector<TokenId> symbols_of(std::string_view text) const {
    std::vector<TokenId> symbols;
    for (std::size_t i = 0; i < text.size(); i += utf8_length(text[i])) {
      const std::size_t size = utf8_length(text[i]);
      if (size == 1) {
        symbols.push_back(byte_of(text[i]));
      } else {
        const auto it = character_id_.find(std::string(text.substr(i, size)));
        symbols.push_back(it == character_id_.end() ? -1 : it->second);
      }
    }
    return symbols;
  }

  struct Candidate {
    std::uint64_t count, key;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : key > other.key;
    }
  };

  bool may_join(TokenId id) const {
    if (id < 0 || plan_.join_ideographs) return id >= 0;
    const std::string& bytes = out_.tokens[static_cast<std::size_t>(id)];
    return utf8_length(bytes[0]) < 3 || (char_class(decode_valid(bytes.data()).c) & kHan) == 0;
  }

  void count_pairs() {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const std::vector<TokenId>& symbols = words_[w].symbols;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) change(symbols[i], symbols[i + 1], w, words_[w].count, true);
    }
    for (const auto& [key, count] : counts_) heap_.push({count, key});
  }

  void change(TokenId left, TokenId right, std::size_t word, std::uint64_t by, bool more, bool note = true) {
    if (!may_join(left) || !may_join(right)) return;
    const std::uint64_t key = pair_key(left, right);
    std::uint64_t& count = counts_[key];
    count = more ? count + by : count - by;
    if (!more || !note) return;
    std::vector<std::size_t>& where = where_[key];
    if (where.empty() || where.back() != word) where.push_back(word);
  }

  // The most frequent pair, 0 when none is frequent enough. A heap entry whose count has changed since is put back with
  // the count as it is now, so that the first one that is true is the best.
  std::uint64_t next_pair() {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      const std::uint64_t now = counts_[top.key];
      if (now == top.count) return now >= plan_.pair_count ? top.key : 0;
      if (now > 0 && now < top.count) heap_.push({now, top.key});
    }
    return 0;
  }

  void join_everywhere(std::uint64_t key) {
    const auto left = static_cast<TokenId>(key >> 32), right = static_cast<TokenId>(key & 0xFFFFFFFF);
    const TokenId joined = add_merge(left, right);
    std::vector<std::size_t> words = std::move(where_[key]);
    where_.erase(key);
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    std::vector<std::uint64_t> grown;
    for (const std::size_t w : words) join(w, left, right, joined, grown);
    std::sort(grown.begin(), grown.end());
    grown.erase(std::unique(grown.begin(), grown.end()), grown.end());
    for (const std::uint64_t fresh : grown) heap_.push({counts_[fresh], fresh});
  }

  void join(std::size_t w, TokenId left, TokenId right, TokenId joined, std::vector<std::uint64_t>& grown) {
    std::vector<TokenId>& old = words_[w].symbols;
    const std::uint64_t count = words_[w].count;
    std::vector<TokenId> next;
    next.reserve(old.size());
    for (std::size_t i = 0; i < old.size(); ++i) {
      if (i + 1 < old.size() && old[i] == left && old[i + 1] == right) {
        next.push_back(joined);
        ++i;
      } else {
        next.push_back(old[i]);
      }
    }
    if (next.size() == old.size()) return;
    for (std::size_t i = 0; i + 1 < old.size(); ++i) change(old[i], old[i + 1], w, count, false);
    for (std::size_t i = 0; i + 1 < next.size(); ++i) {
      // Where a pair without the new token stands is known already.
      const bool fresh = next[i] == joined || next[i + 1] == joined;
      change(next[i], next[i + 1], w, count, true, fresh);
      if (fresh && may_join(next[i]) && may_join(next[i + 1])) grown.push_back(pair_key(next[i], next[i + 1]));
    }
    old = std::move(next);
  }

  const TokenizerPlan& plan_;
  TrainedTokenizer out_;
  std::vector<TokenId> byte_id_;
  std::unordered_map<std::string, TokenId> character_id_;
  std::vector<Word> words_;
  std::unordered_map<std::uint64_t, std::uint64_t> counts_;
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> where_;
  std::priority_queue<Candidate> heap_;
};

}  // namespace

TokenizerTrainer::TokenizerTrainer() {
  split_.add(make_rule_splitter(SplitRule::number));
  split_.add(make_rule_splitter(SplitRule::deepseek_v3_cjk));
  split_.add(make_rule_splitter(SplitRule::deepseek_v3));
}

void TokenizerTrainer::add_plain(std::string_view text) {
  found_.clear();
  split_.split(text, found_, scratch_);
  for (const std::string_view piece : found_) ++pieces_[std::string(piece)];
}

void TokenizerTrainer::add(std::string_view text) {
  const std::string valid = to_valid_utf8(text);
  std::string_view rest = valid;
  while (!rest.empty()) {
    std::size_t at = rest.size(), size = 0;
    const auto look = [&](std::string_view mark) {
      const std::size_t found = rest.find(mark);
      if (found < at) at = found, size = mark.size();
    };
    for (const std::string_view mark : kControlTokens) look(mark);
    for (const std::string_view mark : kMarks) look(mark);
    add_plain(rest.substr(0, at));
    rest.remove_prefix(at + size);
  }
}

TrainedTokenizer TokenizerTrainer::train(const TokenizerPlan& plan) const { return Learner(pieces_, plan).run(); }

}  // namespace limpid

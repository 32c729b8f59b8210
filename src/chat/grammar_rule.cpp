// The LogitRule of a grammar: thinking first, where the model thinks, then the matcher.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "chat/grammar.h"
#include "chat/grammar_matcher.h"
#include "chat/grammar_net.h"
#include "chat/grammar_vocabulary.h"

namespace limpid {

namespace {

class GrammarRule : public LogitRule {
 public:
  GrammarRule(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const GrammarVocabulary> vocabulary,
              GrammarScope scope)
      : grammar_(std::move(grammar)),
        vocabulary_(std::move(vocabulary)),
        scope_(std::move(scope)),
        matcher_(grammar_->net(), *vocabulary_) {
    if (scope_.end_ids.empty()) fail(ErrorKind::unsupported, "grammar: this model has no token that ends an answer");
    if (scope_.inside_thinking && !scope_.close.empty()) enter_thinking();
    if (!matcher_.accept_bytes(scope_.begun))
      fail(ErrorKind::input, "the beginning of the answer does not fit the format that is asked for");
    // What opens a thinking in several tokens could also be the beginning of a text.
    scope_.may_think = scope_.may_think && phase_ == Phase::answer && scope_.begun.empty() && scope_.open.size() == 1;
  }

  void apply(std::span<float> logits) override {
    mask_ = TokenMask(std::max(vocabulary_->size(), logits.size()));  // end ids are below the latter
    switch (phase_) {
      case Phase::thinking:
        thinking_mask();
        break;
      case Phase::answer:
        mask_.add(matcher_.allowed());
        if (matcher_.complete()) add_ends();
        if (scope_.may_think) mask_.set(scope_.open[0]);
        break;
      case Phase::ended:
        add_ends();
        break;
    }
    if (!mask_.any()) fail(ErrorKind::system, "grammar: no token is possible; this is a fault of limpid");
    mask_.forbid_others(logits);
  }

  void accept(std::int32_t id) override {
    const bool may_open = std::exchange(scope_.may_think, false);
    const bool end = std::ranges::find(scope_.end_ids, id) != scope_.end_ids.end();
    switch (phase_) {
      case Phase::thinking:
        think(id);
        return;
      case Phase::answer:
        if (may_open && id == scope_.open[0]) return enter_thinking();
        if (end && matcher_.complete()) {
          phase_ = Phase::ended;
          return;
        }
        if (!matcher_.accept(id)) refuse(id);
        return;
      case Phase::ended:
        if (!end) refuse(id);
        return;
    }
  }

 private:
  enum class Phase { thinking, answer, ended };

  [[noreturn]] static void refuse(std::int32_t id) {
    fail(ErrorKind::system, "grammar: token {} was put where the grammar does not allow it", id);
  }

  void enter_thinking() {
    phase_ = Phase::thinking;
    recent_.clear();
    guard_ = 0;
  }

  void add_ends() {
    for (const std::int32_t id : scope_.end_ids) mask_.set(id);
  }

  // Everything but ends and marks, and spelled out marks neither.
  void thinking_mask() {
    mask_.add(vocabulary_->thinking());
    const MarkGuard& guard = vocabulary_->guard();
    for (unsigned byte = 0; guard_ != 0 && byte < 256; ++byte) {
      if (guard.next(guard_, static_cast<unsigned char>(byte)) == 0) continue;
      const auto [begin, end] = vocabulary_->all().beginning_with(static_cast<unsigned char>(byte));
      unspell(begin, end);
    }
    for (const std::int32_t id : scope_.end_ids) mask_.clear(id);
    if (scope_.close.size() == 1) mask_.set(scope_.close[0]);
  }

  // Takes out the tokens of these nodes that end the spelling of a mark.
  void unspell(std::uint32_t begin, std::uint32_t end) {
    const auto nodes = vocabulary_->all().nodes();
    std::vector<std::uint16_t> path(vocabulary_->all().depth() + 1);
    path[0] = guard_;
    for (std::uint32_t at = begin; at < end;) {
      const TokenTrie::Node& node = nodes[at];
      const std::uint16_t next = vocabulary_->guard().next(path[node.depth - 1u], node.byte);
      if (next != MarkGuard::kSpelled) {
        path[node.depth] = next;
        ++at;
        continue;
      }
      for (std::uint32_t below = at; below < node.skip; ++below)
        for (const TokenId token : vocabulary_->all().tokens(below)) mask_.clear(token);
      at = node.skip;
    }
  }

  void think(std::int32_t id) {
    recent_.push_back(id);
    if (recent_.size() > scope_.close.size()) recent_.erase(recent_.begin());
    if (recent_ == scope_.close) {
      phase_ = Phase::answer;
      matcher_.start(grammar_->net().root_after_thinking());
      return;
    }
    const bool text = static_cast<std::size_t>(id) < vocabulary_->size() && vocabulary_->is_text(id);
    if (!text) guard_ = 0;
    for (const char c : text ? vocabulary_->bytes(id) : std::string_view{})
      if (guard_ != MarkGuard::kSpelled) guard_ = vocabulary_->guard().next(guard_, static_cast<unsigned char>(c));
    if (guard_ == MarkGuard::kSpelled) guard_ = 0;
  }

  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const GrammarVocabulary> vocabulary_;
  GrammarScope scope_;
  GrammarMatcher matcher_;
  Phase phase_ = Phase::answer;
  std::vector<std::int32_t> recent_;  // the last ids of the thinking, as many as close it
  std::uint16_t guard_ = 0;           // of the thinking
  TokenMask mask_;
};

}  // namespace

std::shared_ptr<LogitRule> grammar_rule(std::shared_ptr<const Grammar> grammar,
                                        std::shared_ptr<const GrammarVocabulary> vocabulary, GrammarScope scope) {
  return std::make_shared<GrammarRule>(std::move(grammar), std::move(vocabulary), std::move(scope));
}

}  // namespace limpid

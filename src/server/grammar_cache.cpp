#include "server/grammar_cache.h"

#include <utility>

#include "chat/grammar_net.h"

namespace limpid {

namespace {

std::size_t bytes_of(const Grammar* grammar) {
  constexpr std::size_t kFixed = 512;
  if (grammar == nullptr) return kFixed;
  const GrammarNet& net = grammar->net();
  return kFixed + net.edges().size() * sizeof(NetEdge) + net.states().size() * sizeof(GrammarNet::State) +
         net.rules().size() * (sizeof(GrammarNet::Rule) + 32) + net.counters().size() * sizeof(NetCounter);
}

}  // namespace

GrammarCache::Made GrammarCache::get(const std::string& key, const std::function<Made()>& make) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = places_.find(key); found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      if (entries_.front().wrong) throw ApiError(*entries_.front().wrong);
      return entries_.front().made;
    }
  }
  Entry entry{key, nullptr, std::nullopt, 0};
  try {
    entry.made = make();
  } catch (const ApiError& error) {
    entry.wrong = error;
  }
  entry.bytes =
      bytes_of(entry.made.get()) + key.size() + (entry.wrong ? std::string_view(entry.wrong->what()).size() : 0);
  const Made made = entry.made;
  const std::optional<ApiError> wrong = entry.wrong;
  remember(std::move(entry));
  if (wrong) throw ApiError(*wrong);
  return made;
}

void GrammarCache::remember(Entry entry) {
  std::list<Entry> dropped;  // ends outside the lock
  const std::lock_guard lock(mutex_);
  if (places_.contains(entry.key) || entry.bytes > most_bytes_) return;
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  places_.emplace(entries_.front().key, entries_.begin());
  while (bytes_ > most_bytes_ || entries_.size() > most_entries_) {
    bytes_ -= entries_.back().bytes;
    places_.erase(entries_.back().key);
    dropped.splice(dropped.begin(), entries_, std::prev(entries_.end()));
  }
}

bool GrammarCache::has(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return places_.contains(key);
}

std::size_t GrammarCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace limpid

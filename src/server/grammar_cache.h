// GrammarCache: grammars that were compiled lately, and what was wrong with those that could not be, so that a schema that
// comes again and again is compiled once. The account belongs to a key: nobody learns from timing what others asked for.
//
// Bounded in entries and in bytes; what was used longest ago goes first. From any thread; compiling happens outside the
// lock, so that two who ask at the same time may both compile.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "chat/grammar.h"
#include "server/api_error.h"

namespace limpid {

class GrammarCache {
 public:
  using Made = std::shared_ptr<const Grammar>;  // null: there is none to hold the answer to

  explicit GrammarCache(std::size_t bytes = std::size_t{32} << 20, std::size_t entries = 512)
      : most_bytes_(bytes), most_entries_(entries) {}

  // What `make` gives or throws (ApiError; anything else is not remembered), of the first time.
  Made get(const std::string& key, const std::function<Made()>& make);
  bool has(const std::string& key) const;
  std::size_t bytes() const;

 private:
  struct Entry {
    std::string key;
    Made made;
    std::optional<ApiError> wrong;
    std::size_t bytes = 0;
  };

  void remember(Entry entry);

  const std::size_t most_bytes_, most_entries_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the latest first
  std::unordered_map<std::string, std::list<Entry>::iterator> places_;
  std::size_t bytes_ = 0;
};

}  // namespace limpid

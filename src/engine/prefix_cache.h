// PrefixCache: which pages hold what, so that a prompt whose beginning was computed before is not computed again. A
// tree: the page of positions [64 i, 64 i + 64) hangs below the page of the 64 positions before it, and a whole chain
// below a root for each CacheScope.
//
// A full page is found by a chained hash over scope and ids, and taken only if its parent and its ids are equal too: a
// collision costs a recomputation, never an answer. The beginning of a page (a conversation's last page, a fork inside
// a page) is used by copying it. Full pages are shared and never written again. Engine thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/page_pool.h"
#include "engine/siphash.h"

namespace limpid {

// What else the content of a cached page depends on, and who may see it: pages are never shared across scopes.
struct CacheScope {
  std::uint64_t model = 0;     // ModelInfo::fingerprint
  std::uint32_t numerics = 0;  // kNumericsVersion
  CacheType type = CacheType::f16;
  std::string adapter;
  std::string account, user;  // as Request's
  bool operator==(const CacheScope&) const = default;
};

// Changes with every change of arithmetic that changes bits: caches of other versions are not read.
inline constexpr std::uint32_t kNumericsVersion = 2;

// Of the pages of an account, whatever their model and user: by this they are found to be removed (page_store.h).
Hash128 owner_of(const std::string& account);

class PrefixCache {
  struct Root;

 public:
  // How far down a sequence is: the page that the next one hangs below.
  struct Cursor {
    Hash128 scope;  // of the root
    Hash128 chain;  // of everything up to here
    PageIndex parent = kNoPage;
    bool valid = false;                  // false: this sequence neither reads nor feeds the cache
    std::shared_ptr<const Root> root{};  // held: a root without pages is forgotten when no cursor is below it
  };
  struct Partial {
    PageIndex page = kNoPage;
    int tokens = 0;
  };

  // A page that is known: the hashes of its scope, of what stands before it and of itself (of a tail too), whose it is,
  // and its ids.
  struct Facts {
    Hash128 scope, parent, own, owner;
    std::span<const std::int32_t> ids;  // until the page is given up
  };

  explicit PrefixCache(PagePool& pool) : pool_(pool), nodes_(static_cast<std::size_t>(pool.pages())) {}

  // Where a sequence of this scope starts.
  Cursor root(const CacheScope& scope);

  // The hash of the page that would follow: cursor.chain and these ids.
  static Hash128 chain(const Cursor& cursor, std::span<const std::int32_t> ids);

  // The page with exactly these 64 ids below the cursor, or kNoPage. No reference is taken.
  PageIndex find(const Cursor& cursor, std::span<const std::int32_t> ids) const;
  // The page below the cursor that shares the longest beginning with ids (at least kLeastCopied tokens), to copy from.
  Partial find_partial(const Cursor& cursor, std::span<const std::int32_t> ids) const;
  void descend(Cursor& cursor, PageIndex page) const;
  std::optional<Facts> facts(PageIndex page) const;  // nothing where the page is not known

  // `page`, used by the caller, is complete: it holds these 64 ids below the cursor, which descends. Where another page
  // holds the same already, that one is returned with a reference and `page` is released: from now on the caller's
  // block table names what is returned.
  PageIndex insert(Cursor& cursor, PageIndex page, std::span<const std::int32_t> ids);
  // The last page of a sequence that ends, holding fewer than 64 ids: registered for find_partial. The caller still has
  // to release it.
  void insert_tail(const Cursor& cursor, PageIndex page, std::span<const std::int32_t> ids);

  // A page to write to, with one reference; kept pages are given up for it, least recently used first. kNoPage: every
  // page is in use.
  PageIndex take();
  void release(PageIndex page);  // a sequence releases its pages last to first, so that leaves age before their parents
  int available() const { return pool_.free_pages() + pool_.kept_pages(); }
  std::uint64_t evictions() const { return evictions_; }
  std::size_t roots() const { return roots_.size(); }
  void clear();  // gives up everything that no sequence uses

  static constexpr int kLeastCopied = 8;  // fewer tokens than this are computed rather than copied

 private:
  struct Node {
    bool present = false;
    PageIndex parent = kNoPage;
    Hash128 scope, chain;
    std::vector<std::int32_t> ids;  // 64, or fewer for a tail
    std::vector<PageIndex> children;
  };
  struct Root {
    CacheScope scope;
    Hash128 owner;
    std::vector<PageIndex> children{};
  };
  static constexpr std::size_t kLeastSwept = 64;
  const Node& node(PageIndex page) const { return nodes_[static_cast<std::size_t>(page)]; }
  Node& node(PageIndex page) { return nodes_[static_cast<std::size_t>(page)]; }
  const std::vector<PageIndex>* children(const Cursor& cursor) const;
  void add(const Cursor& cursor, PageIndex page, Hash128 chain, std::span<const std::int32_t> ids);
  void remove(PageIndex page);
  void evict(PageIndex page);
  PageIndex leaf_below(PageIndex page) const;
  bool evict_oldest();
  void drop_covered_tails(const Cursor& cursor, std::span<const std::int32_t> ids);
  void sweep_roots();

  PagePool& pool_;
  std::vector<Node> nodes_;                      // by page
  std::unordered_map<Hash128, PageIndex> full_;  // chained hash -> page of 64 ids
  // By the hash of the scope. Those without pages that no cursor holds are swept away whenever there are twice as many
  // as the sweep before has left: users come and go without end.
  std::unordered_map<Hash128, std::shared_ptr<Root>> roots_;
  std::size_t sweep_at_ = kLeastSwept;
  std::uint64_t evictions_ = 0;
};

}  // namespace limpid

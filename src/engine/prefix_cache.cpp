#include "engine/prefix_cache.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace limpid {

namespace {

// A key of our own, so that these hashes are not those of another use. Not a secret: ids are compared on every hit.
constexpr Hash128 kScopeKey{0x6c696d7069642d6bULL, 0x762d63616368652dULL};
constexpr Hash128 kOwnerKey{0x6c696d7069642d6bULL, 0x762d6f776e65722dULL};

void append(std::vector<std::byte>& bytes, const void* data, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), first, first + size);
}

void append_text(std::vector<std::byte>& bytes, const std::string& text) {
  const std::uint64_t size = text.size();
  append(bytes, &size, sizeof size);
  append(bytes, text.data(), text.size());
}

Hash128 hash_scope(const CacheScope& scope) {
  std::vector<std::byte> bytes;
  append(bytes, &scope.model, sizeof scope.model);
  append(bytes, &scope.numerics, sizeof scope.numerics);
  append(bytes, &scope.type, sizeof scope.type);
  append_text(bytes, scope.adapter);
  append_text(bytes, scope.account);
  append_text(bytes, scope.user);
  return siphash128(kScopeKey, bytes);
}

int common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t size = std::min(a.size(), b.size());
  return static_cast<int>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin()).first -
                          a.begin());
}

}  // namespace

Hash128 owner_of(const std::string& account) { return siphash128(kOwnerKey, std::as_bytes(std::span(account))); }

PrefixCache::Cursor PrefixCache::root(const CacheScope& scope) {
  const Hash128 hash = hash_scope(scope);
  auto found = roots_.find(hash);
  if (found == roots_.end()) {
    if (roots_.size() >= sweep_at_) sweep_roots();
    found = roots_.emplace(hash, std::make_shared<Root>(Root{scope, owner_of(scope.account)})).first;
  }
  // Two scopes with one hash: the later one goes without a cache.
  return Cursor{hash, hash, kNoPage, found->second->scope == scope, found->second};
}

void PrefixCache::sweep_roots() {
  std::erase_if(roots_,
                [](const auto& entry) { return entry.second->children.empty() && entry.second.use_count() == 1; });
  sweep_at_ = std::max(kLeastSwept, 2 * roots_.size());
}

Hash128 PrefixCache::chain(const Cursor& cursor, std::span<const std::int32_t> ids) {
  return siphash128(cursor.chain, std::as_bytes(ids));
}

const std::vector<PageIndex>* PrefixCache::children(const Cursor& cursor) const {
  if (cursor.parent != kNoPage) return &node(cursor.parent).children;
  const auto root = roots_.find(cursor.scope);
  return root == roots_.end() ? nullptr : &root->second->children;
}

PageIndex PrefixCache::find(const Cursor& cursor, std::span<const std::int32_t> ids) const {
  if (!cursor.valid) return kNoPage;
  const auto found = full_.find(chain(cursor, ids));
  if (found == full_.end()) return kNoPage;
  const Node& candidate = node(found->second);
  const bool same =
      candidate.parent == cursor.parent && candidate.scope == cursor.scope && std::ranges::equal(candidate.ids, ids);
  return same ? found->second : kNoPage;
}

PrefixCache::Partial PrefixCache::find_partial(const Cursor& cursor, std::span<const std::int32_t> ids) const {
  Partial best;
  const std::vector<PageIndex>* below = cursor.valid ? children(cursor) : nullptr;
  if (!below) return best;
  for (PageIndex page : *below) {
    const int tokens = common_prefix(node(page).ids, ids);
    if (tokens >= kLeastCopied && tokens > best.tokens) best = {page, tokens};
  }
  return best;
}

void PrefixCache::descend(Cursor& cursor, PageIndex page) const {
  cursor.chain = node(page).chain;
  cursor.parent = page;
}

std::optional<PrefixCache::Facts> PrefixCache::facts(PageIndex page) const {
  const Node& known = node(page);
  if (!known.present) return std::nullopt;
  const Hash128 parent = known.parent == kNoPage ? known.scope : node(known.parent).chain;
  return Facts{known.scope, parent, siphash128(parent, std::as_bytes(std::span(known.ids))),
               roots_.at(known.scope)->owner, known.ids};
}

PageIndex PrefixCache::insert(Cursor& cursor, PageIndex page, std::span<const std::int32_t> ids) {
  if (!cursor.valid) return page;
  const Hash128 hash = chain(cursor, ids);
  if (const PageIndex other = find(cursor, ids); other != kNoPage) {
    pool_.retain(other);
    release(page);
    descend(cursor, other);
    return other;
  }
  if (full_.contains(hash)) {  // a collision: the page that is known stays, this sequence goes on without the cache
    cursor.valid = false;
    return page;
  }
  drop_covered_tails(cursor, ids);
  add(cursor, page, hash, ids);
  full_.emplace(hash, page);
  descend(cursor, page);
  return page;
}

void PrefixCache::insert_tail(const Cursor& cursor, PageIndex page, std::span<const std::int32_t> ids) {
  if (!cursor.valid || static_cast<int>(ids.size()) < kLeastCopied) return;
  assert(!node(page).present && ids.size() < static_cast<std::size_t>(kPageTokens));
  if (find_partial(cursor, ids).tokens == static_cast<int>(ids.size())) return;  // another page holds as much
  drop_covered_tails(cursor, ids);
  add(cursor, page, Hash128{}, ids);
}

// A tail whose ids begin these ids is worth nothing any more. Tails are never in use: they are only copied from.
void PrefixCache::drop_covered_tails(const Cursor& cursor, std::span<const std::int32_t> ids) {
  const std::vector<PageIndex>* below = children(cursor);
  if (!below) return;
  std::vector<PageIndex> covered;
  for (PageIndex page : *below) {
    const Node& tail = node(page);
    if (tail.ids.size() < static_cast<std::size_t>(kPageTokens) && pool_.references(page) == 0 &&
        common_prefix(tail.ids, ids) == static_cast<int>(tail.ids.size()))
      covered.push_back(page);
  }
  for (PageIndex page : covered) evict(page);
}

void PrefixCache::add(const Cursor& cursor, PageIndex page, Hash128 chain, std::span<const std::int32_t> ids) {
  Node& fresh = node(page);
  assert(!fresh.present);
  fresh.present = true;
  fresh.parent = cursor.parent;
  fresh.scope = cursor.scope;
  fresh.chain = chain;
  fresh.ids.assign(ids.begin(), ids.end());
  fresh.children.clear();
  if (cursor.parent != kNoPage)
    node(cursor.parent).children.push_back(page);
  else
    roots_.at(cursor.scope)->children.push_back(page);
}

void PrefixCache::remove(PageIndex page) {
  Node& old = node(page);
  assert(old.present && old.children.empty());
  std::vector<PageIndex>& siblings = old.parent != kNoPage ? node(old.parent).children : roots_.at(old.scope)->children;
  siblings.erase(std::find(siblings.begin(), siblings.end(), page));
  if (old.ids.size() == static_cast<std::size_t>(kPageTokens)) full_.erase(old.chain);
  old.present = false;
  if (!siblings.empty() || old.parent != kNoPage) return;
  if (const auto root = roots_.find(old.scope); root->second.use_count() == 1) roots_.erase(root);
}

void PrefixCache::evict(PageIndex page) {
  remove(page);
  pool_.free_kept(page);
}

// A sequence that uses a page uses its ancestors, so everything below a kept page is kept, but for pages that are being
// written to disk. A leaf below the page, which may be itself, or kNoPage where all of them are being written.
PageIndex PrefixCache::leaf_below(PageIndex page) const {
  if (node(page).children.empty()) return page;
  for (const PageIndex child : node(page).children) {
    const PageIndex leaf = pool_.references(child) == 0 ? leaf_below(child) : kNoPage;
    if (leaf != kNoPage) return leaf;
  }
  return kNoPage;
}

bool PrefixCache::evict_oldest() {
  for (const PageIndex page : pool_.kept()) {
    const PageIndex leaf = leaf_below(page);
    if (leaf == kNoPage) continue;
    evict(leaf);
    return true;
  }
  return false;
}

PageIndex PrefixCache::take() {
  if (pool_.free_pages() == 0) {
    if (!evict_oldest()) return kNoPage;
    ++evictions_;
  }
  return pool_.take();
}

void PrefixCache::release(PageIndex page) { pool_.release(page, node(page).present); }

void PrefixCache::clear() {
  while (evict_oldest()) {
  }
}

}  // namespace limpid

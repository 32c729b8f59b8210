#include "server/document_tokenizer.h"

#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/error.h"
#include "text/unicode.h"

namespace limpid {

namespace {

fts5_api* fts5_of(sqlite3* database) {
  fts5_api* api = nullptr;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, "SELECT fts5(?1)", -1, &statement, nullptr) != SQLITE_OK) return nullptr;
  sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", nullptr);
  sqlite3_step(statement);
  sqlite3_finalize(statement);
  return api;
}

struct WordTokenizer {
  fts5_tokenizer inner;
  Fts5Tokenizer* state = nullptr;
};

int create(void* context, const char**, int, Fts5Tokenizer** out) {
  auto* api = static_cast<fts5_api*>(context);
  auto tokenizer = std::make_unique<WordTokenizer>();
  void* inner_context = nullptr;
  int rc = api->xFindTokenizer(api, "unicode61", &inner_context, &tokenizer->inner);
  if (rc != SQLITE_OK) return rc;
  const char* arguments[] = {"remove_diacritics", "2"};
  rc = tokenizer->inner.xCreate(inner_context, arguments, 2, &tokenizer->state);
  if (rc != SQLITE_OK) return rc;
  *out = reinterpret_cast<Fts5Tokenizer*>(tokenizer.release());
  return SQLITE_OK;
}

void destroy(Fts5Tokenizer* handle) {
  const std::unique_ptr<WordTokenizer> tokenizer(reinterpret_cast<WordTokenizer*>(handle));
  tokenizer->inner.xDelete(tokenizer->state);
}

using TakeToken = int (*)(void*, int, const char*, int, int, int);

struct Splitting {
  void* context;
  TakeToken take;
};

// One word of unicode61's: its ideographs one by one, what stands between them as it is.
int split(void* context, int flags, const char* token, int size, int start, int end) {
  const auto* outer = static_cast<const Splitting*>(context);
  const bool same_bytes = end - start == size;  // folding changed no length: places in the token are places in the text
  int from = 0;
  const auto emit = [&](int first, int last) {
    const int a = same_bytes ? start + first : start, b = same_bytes ? start + last : end;
    return outer->take(outer->context, flags, token + first, last - first, a, b);
  };
  for (int at = 0; at < size;) {
    const Decoded decoded = decode_valid(token + at);
    const int next = std::min(size, at + static_cast<int>(decoded.size));
    if (is_word_by_itself(decoded.c)) {
      int rc = at > from ? emit(from, at) : SQLITE_OK;
      if (rc == SQLITE_OK) rc = emit(at, next);
      if (rc != SQLITE_OK) return rc;
      from = next;
    }
    at = next;
  }
  return from < size ? emit(from, size) : SQLITE_OK;
}

int tokenize(Fts5Tokenizer* handle, void* context, int flags, const char* text, int size, TakeToken take) {
  const auto* tokenizer = reinterpret_cast<const WordTokenizer*>(handle);
  Splitting outer{context, take};
  return tokenizer->inner.xTokenize(tokenizer->state, &outer, flags, text, size, split);
}

}  // namespace

bool is_word_by_itself(char32_t c) {
  return (char_class(c) & kHan) != 0 || (c >= 0x3040 && c <= 0x30FF) || (c >= 0x31F0 && c <= 0x31FF) ||
         (c >= 0xAC00 && c <= 0xD7A3);
}

void register_document_tokenizer(sqlite3* database) {
  fts5_api* api = fts5_of(database);
  if (api == nullptr)
    fail(ErrorKind::unsupported, "search in documents: this SQLite {} has no FTS5", sqlite3_libversion());
  fts5_tokenizer functions{create, destroy, tokenize};
  if (api->xCreateTokenizer(api, "limpid", api, &functions, nullptr) != SQLITE_OK)
    fail(ErrorKind::system, "search in documents: SQLite {} took no tokenizer", sqlite3_libversion());
}

std::string search_query(std::string_view question) {
  const std::string text = to_valid_utf8(question);
  std::vector<std::string> terms;
  std::string word, before;  // before: the neighbour on the left, among characters that are words of their own
  bool paired = false;
  const auto end_word = [&] {
    if (!word.empty()) terms.push_back(std::move(word));
    word.clear();
  };
  const auto end_run = [&] {
    if (!before.empty() && !paired) terms.push_back(before);
    before.clear();
    paired = false;
  };
  for (std::size_t at = 0; at < text.size() && terms.size() < 64;) {
    const Decoded decoded = decode_valid(text.data() + at);
    const std::string character = text.substr(at, decoded.size);
    at += decoded.size;
    if (is_word_by_itself(decoded.c)) {
      end_word();
      if (!before.empty()) {
        terms.push_back(before + character);
        paired = true;
      }
      before = character;
    } else if ((char_class(decoded.c) & (kLetter | kNumber | kMark)) != 0) {
      end_run();
      word += character;
    } else {
      end_word();
      end_run();
    }
  }
  end_word();
  end_run();
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  std::string query;
  for (const std::string& term : terms) query += (query.empty() ? "\"" : " OR \"") + term + "\"";
  return query;
}

}  // namespace limpid

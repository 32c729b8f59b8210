// How documents are cut into words for search: SQLite's unicode61 (case and accents folded), and every ideograph, kana
// and Hangul syllable a word of its own, since Chinese writes no spaces: a phrase of two characters is then found
// wherever it stands.
#pragma once

#include <string>
#include <string_view>

struct sqlite3;

namespace limpid {

// Makes the tokenizer "limpid" known to FTS5 on this connection. Throws Error(unsupported) where SQLite lacks FTS5.
void register_document_tokenizer(sqlite3* database);

// A character that is a word of its own.
bool is_word_by_itself(char32_t c);

// The FTS5 query for a question: its words, and pairs of neighbours among characters that are words of their own, any
// of which may match. "" where the question holds no word. At most 64 terms.
std::string search_query(std::string_view question);

}  // namespace limpid

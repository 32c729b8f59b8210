// A document cut into passages: what a search finds and an answer cites.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace limpid {

struct DocumentPassage {
  std::string title;  // the heading above it, "" where there is none
  std::string text;
};

inline constexpr std::size_t kPassageBytes = 1200;  // aimed at; a passage ends at a blank line, a line or a character

// The text must be valid UTF-8. Headings are lines that begin with '#' and those underlined by === or ---.
std::vector<DocumentPassage> cut_passages(std::string_view text);

// Of pages with form feeds between them: each for itself, its number ("p. 3") the title where it has no heading.
std::vector<DocumentPassage> cut_pages(std::string_view text);

bool is_pdf(std::string_view name);  // by its extension
// Whether a file of this name is text that is worth finding (by its extension).
bool is_document(std::string_view name);

}  // namespace limpid

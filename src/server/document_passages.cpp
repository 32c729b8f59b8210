#include "server/document_passages.h"

#include <algorithm>
#include <array>

namespace limpid {

namespace {

constexpr std::array<std::string_view, 62> kExtensions = {
    "txt",  "md",    "markdown", "rst", "org", "tex",  "adoc", "text", "log", "csv", "tsv",  "json",  "jsonl",
    "yaml", "yml",   "toml",     "ini", "cfg", "conf", "xml",  "html", "htm", "css", "js",   "mjs",   "ts",
    "tsx",  "jsx",   "py",       "c",   "h",   "cc",   "cpp",  "cxx",  "hpp", "hh",  "java", "kt",    "go",
    "rs",   "swift", "rb",       "php", "sh",  "bash", "pl",   "lua",  "sql", "r",   "m",    "scala", "hs",
    "ml",   "el",    "lisp",     "clj", "ex",  "exs",  "bib",  "srt",  "vtt", "diff"};

std::string_view trimmed_line(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r"), last = line.find_last_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view{} : line.substr(first, last - first + 1);
}

// In small letters; empty where there is none, or nothing before it.
std::string extension_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  std::string extension(name.substr(dot + 1));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return extension;
}

bool underlines(std::string_view line) {
  const std::string_view text = trimmed_line(line);
  return text.size() >= 3 && (text.find_first_not_of('=') == std::string_view::npos ||
                              text.find_first_not_of('-') == std::string_view::npos);
}

class Cutter {
 public:
  void line(std::string_view line) {
    const std::string_view text = trimmed_line(line);
    if (text.starts_with('#') && text.find_first_not_of('#') != std::string_view::npos &&
        text[text.find_first_not_of('#')] == ' ') {
      end();
      title_ = trimmed_line(text.substr(text.find_first_not_of('#')));
    } else if (underlines(line) && !last_.empty() && current_.size() == last_.size() + 1) {
      title_ = last_;  // the line above was the first of its passage: a heading
    }
    if (text.empty() && current_.size() >= kPassageBytes / 2) end();
    while (line.size() > kPassageBytes) {  // a line without end
      std::size_t cut = kPassageBytes;
      while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80) --cut;
      current_ += line.substr(0, cut);
      end();
      line.remove_prefix(cut);
    }
    current_ += line;
    current_ += '\n';
    last_ = text;
    if (current_.size() >= kPassageBytes) end();
  }
  std::vector<DocumentPassage> finish() {
    end();
    return std::move(out_);
  }

 private:
  void end() {
    const std::string_view text = trimmed_lines(current_);
    if (!text.empty()) out_.push_back({title_, std::string(text)});
    current_.clear();
    last_.clear();
  }
  static std::string_view trimmed_lines(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
    return first == std::string_view::npos ? std::string_view{} : text.substr(first, last - first + 1);
  }

  std::vector<DocumentPassage> out_;
  std::string title_, current_, last_;
};

}  // namespace

std::vector<DocumentPassage> cut_passages(std::string_view text) {
  Cutter cutter;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    cutter.line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return cutter.finish();
}

std::vector<DocumentPassage> cut_pages(std::string_view text) {
  std::vector<DocumentPassage> out;
  for (int page = 1; !text.empty(); ++page) {
    const std::size_t end = text.find('\f');
    for (DocumentPassage& passage : cut_passages(text.substr(0, end))) {
      if (passage.title.empty()) passage.title = "p. " + std::to_string(page);
      out.push_back(std::move(passage));
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

bool is_pdf(std::string_view name) { return extension_of(name) == "pdf"; }

bool is_document(std::string_view name) {
  const std::string extension = extension_of(name);
  return !extension.empty() && std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

}  // namespace limpid

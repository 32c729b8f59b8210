#include "hub/reference.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::size_t kMaxText = 512;  // nothing that a person types is longer

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

bool plain_word(std::string_view text, std::string_view also) {
  if (text.empty() || text == "." || text == ".." || text.front() == '.') return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || also.find(c) != std::string_view::npos;
  });
}

// The numbers of "-00001-of-00003" at the end of a name without its ".gguf".
struct Part {
  std::string_view stem;
  int number = 0, count = 0;
};

std::optional<Part> split_part(std::string_view path) {
  if (!ends_with(path, ".gguf")) return std::nullopt;
  std::string_view name = path.substr(0, path.size() - 5);
  constexpr std::size_t kTail = 15;  // "-00001-of-00003"
  if (name.size() <= kTail) return std::nullopt;
  const std::string_view tail = name.substr(name.size() - kTail);
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-") return std::nullopt;
  Part part{name.substr(0, name.size() - kTail)};
  for (std::size_t i = 1; i <= 5; ++i) {
    if (!is_digit(tail[i]) || !is_digit(tail[i + 9])) return std::nullopt;
    part.number = part.number * 10 + (tail[i] - '0');
    part.count = part.count * 10 + (tail[i + 9] - '0');
  }
  return part;
}

void check_path(const std::string& repository, const std::string& path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = std::string_view(path).substr(begin, end - begin);
    const bool odd = segment.empty() || segment == "." || segment == ".." ||
                     std::any_of(segment.begin(), segment.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 32 || c == '\\'; });
    if (odd) fail(ErrorKind::input, "{}: lists a file with an unsafe path", repository);
    begin = end + 1;
  }
}

std::string join(const std::set<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "none" : out;
}

// Puts the parts in order and refuses a set with holes.
std::vector<RemoteFile> complete(const std::string& repository, std::vector<RemoteFile> group) {
  const std::optional<Part> first = split_part(group.front().path);
  if (!first) return group;
  std::sort(group.begin(), group.end(), [](const RemoteFile& a, const RemoteFile& b) { return a.path < b.path; });
  for (std::size_t i = 0; i < group.size(); ++i) {
    const std::optional<Part> part = split_part(group[i].path);
    if (!part || part->number != static_cast<int>(i) + 1 || part->count != static_cast<int>(group.size()))
      fail(ErrorKind::input, "{}: {}: {} parts listed, its name says {}", repository, group[i].path, group.size(),
           part ? part->count : 0);
  }
  return group;
}

Selection select_safetensors(const std::string& repository, const std::vector<RemoteFile>& all) {
  static constexpr std::array<std::string_view, 9> kBeside = {
      "config.json",           "generation_config.json",  "tokenizer.json",
      "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
      "chat_template.json",    "added_tokens.json",       "model.safetensors.index.json"};
  Selection selection;
  selection.quant = "safetensors";
  selection.directory = true;
  bool config = false, weights = false;
  for (const RemoteFile& file : all) {
    if (file.path.find('/') != std::string::npos) continue;  // copies in other formats lie in folders
    const bool tensors = ends_with(file.path, ".safetensors");
    if (!tensors && std::find(kBeside.begin(), kBeside.end(), file.path) == kBeside.end()) continue;
    weights = weights || tensors;
    config = config || file.path == "config.json";
    selection.files.push_back(file);
  }
  if (!config || !weights)
    fail(ErrorKind::not_found, "{}: no .gguf and no config.json with .safetensors in it", repository);
  return selection;
}

// Whether OWNER/REPO is the form of it.
bool is_repository(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && plain_word(text.substr(0, slash), "-_.") &&
         plain_word(text.substr(slash + 1), "-_.");
}

// "; did you mean hf:OWNER/REPO?" for OWNER/REPO[:QUANT], and for the address of a page in OWNER/REPO; else "".
std::string repository_hint(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
  bool page = false;
  for (const std::string_view host : {"huggingface.co/", "hf.co/"}) {
    if (!text.starts_with(host)) continue;
    page = true;
    text.remove_prefix(host.size());
    text = text.substr(0, text.find_first_of("?#"));
    if (const std::size_t slash = text.find('/'); slash != std::string_view::npos)
      text = text.substr(0, text.find('/', slash + 1));  // what of it comes after OWNER/REPO is left out
    break;
  }
  if (scheme != std::string_view::npos && !page) return "";
  const std::string_view owner = text.substr(0, text.find('/'));
  if (page && (owner == "datasets" || owner == "spaces")) return "";
  if (!is_repository(text.substr(0, text.find_first_of("@:")))) return "";
  return "; did you mean hf:" + std::string(text) + "?";
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

Reference parse_reference(const std::string& text) {
  constexpr const char* kForm = "expected NAME[:QUANT] or hf:OWNER/REPO[@REVISION][:FILE or QUANT]";
  if (text.size() > kMaxText) fail(ErrorKind::input, "a model's name of {} characters: {}", text.size(), kForm);
  Reference reference;
  std::string rest = text;
  if (rest.rfind("hf:", 0) == 0) {
    reference.hub = true;
    rest = rest.substr(3);
  }
  const std::size_t colon = rest.find(':');
  if (colon != std::string::npos) {
    reference.variant = rest.substr(colon + 1);
    rest.resize(colon);
    if (reference.variant.empty()) fail(ErrorKind::input, "'{}': nothing after the last ':'; {}", text, kForm);
  }
  if (reference.hub) {
    const std::size_t at = rest.find('@');
    reference.revision = at == std::string::npos ? "main" : rest.substr(at + 1);
    if (at != std::string::npos) rest.resize(at);
    if (!is_repository(rest) || !plain_word(reference.revision, "-_./"))
      fail(ErrorKind::input, "'{}': {}", text, kForm);
  } else if (!plain_word(rest, "-_.") || reference.variant.starts_with("//")) {  // "https:" and what follows
    fail(ErrorKind::input, "'{}': {}{}", text, kForm, repository_hint(text));
  }
  reference.name = rest;
  return reference;
}

std::string stem_of(std::string_view path) {
  if (const std::optional<Part> part = split_part(path)) return std::string(part->stem);
  return std::string(ends_with(path, ".gguf") ? path.substr(0, path.size() - 5) : path);
}

bool is_later_part(std::string_view path) {
  const std::optional<Part> part = split_part(path);
  return part && part->number > 1;
}

std::string quant_of(std::string_view path) {
  static const std::set<std::string> kHeads = {"Q2",  "Q3",  "Q4",  "Q5",  "Q6",   "Q8",  "IQ1", "IQ2",
                                               "IQ3", "IQ4", "F16", "F32", "BF16", "TQ1", "TQ2"};
  const std::string stem = stem_of(base_name(path));
  // The last word, cut at '.' and '-', that begins as a quantisation does.
  std::size_t end = stem.size();
  while (end > 0) {
    const std::size_t cut = stem.find_last_of(".-", end - 1);
    const std::size_t begin = cut == std::string::npos ? 0 : cut + 1;
    std::string word = stem.substr(begin, end - begin);
    for (char& c : word)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (kHeads.count(word.substr(0, word.find('_'))) != 0) {
      const bool dynamic = begin >= 3 && equal_ignoring_case(std::string_view(stem).substr(begin - 3, 3), "UD-");
      return (dynamic ? "UD-" : "") + word;
    }
    if (cut == std::string::npos) break;
    end = cut;
  }
  return "";
}

Selection select_files(const std::string& repository, const std::vector<RemoteFile>& all, const std::string& variant) {
  std::map<std::string, std::vector<RemoteFile>> groups;  // by stem
  std::set<std::string> quants;
  for (const RemoteFile& file : all) {
    check_path(repository, file.path);
    if (!ends_with(file.path, ".gguf") || base_name(file.path).rfind("mmproj", 0) == 0) continue;
    groups[stem_of(file.path)].push_back(file);
    const std::string quant = quant_of(file.path);
    quants.insert(quant.empty() ? file.path : quant);
  }
  if (groups.empty() || equal_ignoring_case(variant, "safetensors")) {
    if (!variant.empty() && !equal_ignoring_case(variant, "safetensors"))
      fail(ErrorKind::not_found, "{}: no '{}': it holds no .gguf", repository, variant);
    return select_safetensors(repository, all);
  }
  std::vector<const std::vector<RemoteFile>*> found;
  const std::string wanted = variant.empty() && groups.size() > 1 ? "Q4_K_M" : variant;
  for (const auto& [stem, group] : groups) {
    const bool named = std::any_of(group.begin(), group.end(), [&](const RemoteFile& f) {
      return f.path == wanted || base_name(f.path) == wanted;
    });
    if (wanted.empty() || named || equal_ignoring_case(quant_of(stem + ".gguf"), wanted)) found.push_back(&group);
  }
  if (found.size() > 1) {
    std::set<std::string> names;
    for (const auto* group : found) names.insert(group->front().path);
    fail(ErrorKind::input, "{}: '{}' fits several files, name one of them: {}", repository, wanted, join(names));
  }
  if (found.empty()) fail(ErrorKind::not_found, "{}: no '{}' in it; there is: {}", repository, wanted, join(quants));
  Selection selection;
  selection.files = complete(repository, *found.front());
  const std::string quant = quant_of(selection.files.front().path);
  selection.quant = quant.empty() ? stem_of(base_name(selection.files.front().path)) : quant;
  return selection;
}

}  // namespace limpid

// The catalogue: models that limpid knows by name, where they lie and what is published about them. The facts are data
// (catalogue.json, built into the program); what nobody published (a size, a hash) is absent there, and the hub's own
// listing says it when the model is pulled.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace limpid {

struct CatalogueFile {
  std::string path;
  std::uint64_t size = 0;  // 0: not published
  std::string sha256;      // "": not published
};

struct CatalogueVariant {
  std::string quant;       // "Q4_K_M", or "FP8" and "BF16" for safetensors
  std::string repository;  // OWNER/REPO on the hub
  std::string revision;    // a commit, or "main"
  std::string select;  // what to choose in the repository's listing when `files` is empty: a quant, or "safetensors"
  std::vector<CatalogueFile> files;
  std::uint64_t bytes = 0;  // all files; exact where every file's size is known, else as published (rounded)
  bool exact = false;
};

struct CatalogueModel {
  std::string name;
  std::string title;
  std::string architecture;
  std::uint64_t parameters = 0;
  std::uint64_t active_parameters = 0;  // per token
  double aime = 0, math = 0;  // AIME 2024 and MATH-500, pass@1 in per cent as published; 0: no reasoning model
  std::string good_at;        // in a few words; "": likewise
  std::string preferred;      // the quant that a bare name means
  std::vector<CatalogueVariant> variants;

  const CatalogueVariant* find(const std::string& quant) const;  // ignoring case; null when there is none
};

class Catalogue {
 public:
  // Parses `json`; throws Error(input) naming the entry.
  explicit Catalogue(const std::string& json);
  static Catalogue built_in();

  const std::vector<CatalogueModel>& models() const { return models_; }
  const CatalogueModel* find(const std::string& name) const;  // ignoring case

 private:
  std::vector<CatalogueModel> models_;
};

// The words of `known` that look most like `word`, best first, at most `count`; none that look nothing like it.
std::vector<std::string> near_names(const std::string& word, const std::vector<std::string>& known,
                                    std::size_t count = 3);

}  // namespace limpid

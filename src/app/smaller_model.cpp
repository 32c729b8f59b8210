#include "app/smaller_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "app/format.h"
#include "app/hub_setup.h"
#include "app/model_choice.h"
#include "base/error.h"

namespace limpid {

namespace {

// "DeepSeek R1 Distill Qwen 7B" and "DeepSeek-R1-Distill-Qwen-7B-Q8_0.gguf" begin alike.
std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name) out += c == ' ' || c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

bool begins_with(const std::string& name, const std::string& first) {
  if (!name.starts_with(first)) return false;
  return name.size() == first.size() || std::string_view("-.:/").find(name[first.size()]) != std::string_view::npos;
}

// A config of DeepSeek's second generation reads as the third's (models/).
std::string_view family(std::string_view architecture) {
  return architecture == "deepseek_v2" ? "deepseek_v3" : architecture;
}

std::vector<std::string> names_of(const ModelFiles& files) {
  const std::filesystem::path path = std::filesystem::path(files.path()).lexically_normal();
  std::vector<std::string> names{path.filename().string(), path.parent_path().filename().string(), files.config().name};
  for (const StoredModel& model : stored_models()) {
    std::error_code error;
    if (std::filesystem::equivalent(model.path, path, error)) names.push_back(model.name);
  }
  return names;
}

}  // namespace

const CatalogueModel* catalogued(const Catalogue& catalogue, const std::string& architecture,
                                 const std::vector<std::string>& names) {
  const CatalogueModel* found = nullptr;
  std::size_t longest = 0;  // "deepseek-r1" begins the names of its distills too
  for (const CatalogueModel& model : catalogue.models())
    for (const std::string& known : {plain(model.name), plain(model.title.substr(0, model.title.find(' ')))})
      for (const std::string& name : names)
        if (family(model.architecture) == family(architecture) && known.size() > longest &&
            begins_with(plain(name), known)) {
          found = &model;
          longest = known.size();
        }
  return found;
}

std::string smaller_model(const ModelFiles& files, std::uint64_t memory) {
  const Catalogue catalogue = Catalogue::built_in();
  const CatalogueModel* model = catalogued(catalogue, files.config().architecture, names_of(files));
  const CatalogueVariant* variant = model == nullptr ? nullptr : largest_that_fits(*model, memory);
  if (variant != nullptr)
    return fmt::format("`limpid pull {}:{}` ({}{}) would fit", model->name, variant->quant, variant->exact ? "" : "~",
                       human_bytes(variant->bytes));
  return "`limpid doctor` lists models that fit";
}

}  // namespace limpid

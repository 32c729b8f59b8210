// limpid models: what is in the store, what could be; taking models in and throwing them out.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/format.h"
#include "app/hub_setup.h"
#include "app/output.h"
#include "app/printable.h"
#include "base/error.h"
#include "hub/catalogue.h"
#include "hub/reference.h"

namespace limpid {

namespace {

struct ModelsArguments {
  bool json = false, catalogue = false;
  std::string path, name;           // add
  std::vector<std::string> models;  // rm
};

int list_models(const ModelsArguments& arguments) {
  std::vector<std::string> problems;
  const Store store = open_store();
  store.check();
  const std::vector<StoredModel> models = store.list(&problems);
  for (const std::string& problem : problems) std::fprintf(stderr, "limpid: %s\n", visible(problem).c_str());
  const std::uint64_t built_in = built_in_bytes();
  if (arguments.json) {
    nlohmann::json out = nlohmann::json::array();
    if (built_in > 0) out.push_back({{"name", kBuiltInName}, {"bytes", built_in}, {"built_in", true}});
    for (const StoredModel& model : models)
      out.push_back({{"name", model.name},
                     {"bytes", model.bytes},
                     {"path", model.path.string()},
                     {"adopted", model.adopted},
                     {"repository", model.repository},
                     {"revision", model.revision},
                     {"added", model.added}});
    print("{}\n", out.dump(1));
    return 0;
  }
  std::size_t width = 4;
  for (const StoredModel& model : models) width = std::max(width, model.name.size());
  if (built_in > 0) print("{:<{}}  {:>8}  built in\n", kBuiltInName, width, human_bytes(built_in));
  if (models.empty())
    print("The store is empty. `limpid models --catalogue` shows what `limpid pull` knows by name.\n");
  for (const StoredModel& model : models) {
    std::error_code error;
    const char* gone = std::filesystem::exists(model.path, error) ? "" : "  (gone)";
    print("{:<{}}  {:>8}  {}{}\n", visible(model.name), width, human_bytes(model.bytes), visible(model.path.string()),
          gone);
  }
  return 0;
}

int list_catalogue(const ModelsArguments& arguments) {
  const Catalogue catalogue = Catalogue::built_in();
  nlohmann::json out = nlohmann::json::array();
  for (const CatalogueModel& model : catalogue.models()) {
    for (const CatalogueVariant& variant : model.variants) {
      const std::string size = variant.bytes == 0 ? "?" : (variant.exact ? "" : "~") + human_bytes(variant.bytes);
      if (!arguments.json) print("{:<34} {:>9}  {}\n", model.name + ":" + variant.quant, size, variant.repository);
      out.push_back({{"name", model.name + ":" + variant.quant},
                     {"bytes", variant.bytes},
                     {"exact", variant.exact},
                     {"repository", variant.repository}});
    }
  }
  if (arguments.json) print("{}\n", out.dump(1));
  return 0;
}

int add_model(const ModelsArguments& arguments) {
  for (const StoredModel& model : open_store().adopt(arguments.path, arguments.name))
    print("{}  {}  {}\n", visible(model.name), human_bytes(model.bytes), visible(model.path.string()));
  return 0;
}

int remove_models(const ModelsArguments& arguments) {
  Store store = open_store();
  for (const std::string& name : arguments.models) {
    try {
      store.remove(name);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found || !equal_ignoring_case(name, kBuiltInName) || built_in_bytes() == 0)
        throw;
      fail(ErrorKind::not_found, "{} is inside the program and takes no place in the store", kBuiltInName);
    }
    print("{} removed\n", visible(name));
  }
  return 0;
}

}  // namespace

void add_models(Program& program) {
  auto arguments = std::make_shared<ModelsArguments>();
  Command command = program.add("models", "The models on this machine: list, add files that are here already, remove");
  command.flag("--json", arguments->json, "as JSON");
  command.flag("--catalogue", arguments->catalogue, "what `limpid pull` knows by name instead");
  command.examples(
      "limpid models\n"
      "limpid models add ~/Downloads/model-Q4_K_M.gguf --name mine\n"
      "limpid models add ~/.cache/huggingface/hub/models--OWNER--REPO     nothing is copied\n"
      "limpid models rm r1-distill-qwen-1.5b:Q4_K_M");
  command.run([arguments](const Context&) {
    return arguments->catalogue ? list_catalogue(*arguments) : list_models(*arguments);
  });

  Command add = command.subcommand("add", "Take a model in where it lies");
  add.positional("PATH", arguments->path,
                 "a .gguf, a directory of safetensors, or a repository in the Hugging Face cache");
  add.option("--name", arguments->name, "its name in the store (default: from the file's)");
  add.run([arguments](const Context&) { return add_model(*arguments); });

  Command remove = command.subcommand("rm", "Remove models; files that were added with `add` stay where they are");
  remove.positionals("NAME", arguments->models, "names as `limpid models` shows them");
  remove.run([arguments](const Context&) { return remove_models(*arguments); });
}

}  // namespace limpid

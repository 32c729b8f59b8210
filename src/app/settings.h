// What limpid remembers from one run to the next: which model `limpid chat` starts with. A JSON file:
// $LIMPID_HOME/settings.json where LIMPID_HOME is set, else $XDG_CONFIG_HOME/limpid/settings.json, else
// ~/.config/limpid/settings.json.
#pragma once

#include <filesystem>
#include <string>

namespace limpid {

struct Settings {
  std::string chat_model;  // a name or path as every command takes it; "": none was chosen
};

std::filesystem::path settings_path();  // "" without a home

// What the file says; nothing is remembered when there is none. Throws Error(input) naming the file when it is broken.
Settings read_settings();
// Written whole or not at all; what else stands in the file stays. Throws Error(system).
void write_settings(const Settings& settings);

}  // namespace limpid

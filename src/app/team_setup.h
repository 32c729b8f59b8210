// The files of a team, as `limpid serve --team` and `limpid admin` find them: DATA/team.db (made when it is not there),
// DATA/team.json (the tiers; the built-in ones where there is none).
#pragma once

#include <string>

#include "server/team.h"

namespace limpid {

// `data` empty: LIMPID_DATA, or "team" in the folder of the store. The folder is made, readable by its owner only.
TeamOptions team_files(const std::string& data);

}  // namespace limpid

// Where the tiny models are.
#pragma once

#include <string>

inline const std::string kTinyModels = REPO_DIR "/tests/models/data/";

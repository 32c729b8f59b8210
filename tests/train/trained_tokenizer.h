// A tokenizer that has just been learned, opened as from its files.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "text/tokenizer.h"
#include "train/tokenizer_files.h"

namespace limpid {

inline Tokenizer from_json(const TrainedTokenizer& trained) {
  const std::string file = tokenizer_json(trained), config = tokenizer_config_json(trained);
  return Tokenizer::from_json(std::as_bytes(std::span(file)), std::as_bytes(std::span(config)), "trained");
}

}  // namespace limpid

// The parts of tokenizer.json that are pipelines (private to tokenizer_json*.cpp): normalizer, pre_tokenizer, decoder,
// post_processor. Each throws Error(unsupported) that names the field and the kind for what is not read here.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "text/tokenizer_spec.h"

namespace limpid::tokenizer_json {

// A field of an object; null (never missing) when absent. Throws Error(input) naming the field when node is no object.
const nlohmann::json& field(const nlohmann::json& node, const char* key, const std::string& where);
// As typed; absent and null are the default. Throws Error(input) naming field and types.
std::string string_field(const nlohmann::json& node, const char* key, const std::string& otherwise,
                         const std::string& where);
bool bool_field(const nlohmann::json& node, const char* key, bool otherwise, const std::string& where);

void read_normalizer(const nlohmann::json& node, const std::string& where, TokenizerSpec& spec);
void read_pretokenizer(const nlohmann::json& node, const std::string& where, TokenizerSpec& spec);
void read_decoder(const nlohmann::json& node, const std::string& where, TokenizerSpec& spec);
// Which tokens a single text is put between: sets add_bos, bos, add_eos (and eos when it is not set).
void read_post_processor(const nlohmann::json& node, const std::string& where, TokenizerSpec& spec);

}  // namespace limpid::tokenizer_json

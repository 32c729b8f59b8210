// The model that the program carries: weights/r1-nano as it was when the program was built (cmake/embed.cmake). Every
// command that takes a MODEL finds it by its name; it needs no store and no file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"
#include "models/load.h"
#include "text/tokenizer.h"

namespace limpid {

inline constexpr std::string_view kBuiltInName = "r1-nano";

// What to ask it, as a person types.
inline constexpr const char* kBuiltInExamples[] = {"What is 347 + 895?", "3、7、8 怎样凑成 29？",
                                                   "Tom is taller than Ann, Ann is taller than Bob. Who is second?"};

// What it is and what it cannot do, and the examples: what a conversation with it begins with.
std::string built_in_introduction(std::int64_t parameters);

// Its files; nothing when weights/r1-nano held no model.
std::optional<MemoryFiles> built_in_files();

// Bytes of its files; 0 when there is none.
std::uint64_t built_in_bytes();

// Whether MODEL means it: its name, in any case, and no path of that name. Throws Error(not_found) when it is meant and
// the program was built without it.
bool means_built_in(const std::string& model);

// The files of MODEL: the model that is built in, or what open_files() (app/session.h) finds.
ModelFiles open_model(const std::string& model);

// MODEL as files on disk, for who reads them more than once, copies them or merges into them: what resolve_model()
// (app/hub_setup.h) finds; of the model that is built in the folder built-in/r1-nano of the store, written when it is not
// there as the program has it. Throws as resolve_model() does, and Error(system | resources) where the store cannot be written.
std::filesystem::path model_on_disk(const std::string& model);

// The tokenizer that belongs to them. Throws Error(not_found) when there is none.
Tokenizer open_tokenizer(const ModelFiles& files);

}  // namespace limpid

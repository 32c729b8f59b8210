// Disks and hashes: what the store and the downloads need of the file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace limpid {

// Bytes that a file in this folder (which may not exist yet) could take; 0 when nobody can say.
std::uint64_t free_disk(const std::filesystem::path& folder);

// Makes the folder, and those above it, unless it is there. Throws Error(system).
void make_folder(const std::filesystem::path& folder);

// Told how many bytes more were read; throws to stop.
using HashProgress = std::function<void(std::uint64_t)>;

// In lower-case hexadecimal. Throw Error(system).
std::string sha256_of_file(const std::filesystem::path& path, const HashProgress& progress);
std::string git_sha1_of_file(const std::filesystem::path& path,
                             const HashProgress& progress);  // of "blob SIZE\0" + content, git's name for a file

}  // namespace limpid

// Storage in one SQLite file: WAL, one writer thread with group commit, a few connections that read. Other processes
// (`limpid admin`) may write to it at the same time.
#pragma once

#include <memory>
#include <string>

#include "server/storage.h"

namespace limpid {

struct StorageOptions {
  std::string path;
  bool create = true;
  bool check = false;           // read the whole file first, so that damage is found before the service starts
  int readers = 4;              // connections; more callers wait for one
  std::int64_t most_bytes = 0;  // of the file; beyond, writes fail as on a full disk. 0: no limit
};

// Throws Error as sqlite.h and storage_schema.h say.
std::unique_ptr<Storage> open_sqlite_storage(const StorageOptions& options);

}  // namespace limpid

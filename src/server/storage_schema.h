// The tables of the service's database and how they came about: a list of migrations, applied in order, each in one
// transaction. The number of those applied stands in `PRAGMA user_version`.
#pragma once

#include <span>
#include <string>

#include "server/sqlite.h"

namespace limpid {

// "limp": marks the file as limpid's (PRAGMA application_id).
inline constexpr std::int64_t kDatabaseApplication = 0x6c696d70;

std::span<const char* const> storage_migrations();

// Brings the database to the last migration. Throws Error(input) for another program's database, Error(unsupported) for
// one that a newer limpid has migrated further; nothing is changed then.
void migrate(SqliteConnection& connection, std::span<const char* const> migrations);

// Reads the whole file. Throws Error(system) with the first fault.
void check_database(SqliteConnection& connection);

}  // namespace limpid

// The names of storage.h's enumerations, as they stand in JSON and on the command line.
#include "base/error.h"
#include "server/storage.h"

namespace limpid {

std::string_view name(Role role) { return role == Role::admin ? "admin" : "user"; }

std::string_view name(AccountStatus status) {
  switch (status) {
    case AccountStatus::active:
      return "active";
    case AccountStatus::waiting:
      return "waiting";
    case AccountStatus::banned:
      return "banned";
  }
  return "active";
}

Role parse_role(std::string_view text) {
  for (const Role role : {Role::user, Role::admin})
    if (text == name(role)) return role;
  fail(ErrorKind::input, "role: expected user or admin, found '{}'", text.substr(0, 40));
}

AccountStatus parse_account_status(std::string_view text) {
  for (const AccountStatus status : {AccountStatus::active, AccountStatus::waiting, AccountStatus::banned})
    if (text == name(status)) return status;
  fail(ErrorKind::input, "status: expected active, waiting or banned, found '{}'", text.substr(0, 40));
}

std::string_view name(EntryKind kind) {
  switch (kind) {
    case EntryKind::charge:
      return "charge";
    case EntryKind::top_up:
      return "top_up";
    case EntryKind::grant:
      return "grant";
    case EntryKind::adjustment:
      return "adjustment";
    case EntryKind::closing:
      return "closing";
  }
  return "charge";
}

}  // namespace limpid

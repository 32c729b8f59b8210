// limpid admin: a team's people, keys and money on the command line. Works on the database itself, also while
// `limpid serve --team` runs: the first admin is made here.
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/output.h"
#include "app/team_setup.h"
#include "server/api_error.h"
#include "server/team.h"
#include "server/team_route.h"

namespace limpid {

namespace {

struct AdminArguments {
  std::string data;
  std::string name, second;  // positionals
  std::string tier, role, reason, note, credit, key_name, scopes, from, to;
  std::int64_t uses = 1, days = 0, capacity = -2, let_in = 0, limit = 100;
  bool admin = false, json = false, password = false;
};

using Action = std::function<void(Team&, const AdminArguments&)>;

constexpr const char* kActor = "command line";

UnixSeconds now(const Team& team) { return team.options().clock(); }
UnixSeconds after_days(const Team& team, std::int64_t days) { return days == 0 ? 0 : now(team) + days * 86'400; }

Account account_named(Team& team, const std::string& name) {
  std::optional<Account> found = team.storage().account(name);
  if (!found) found = team.storage().account_by_name(name);
  if (!found) fail(ErrorKind::not_found, "there is no account '{}'", name);
  return *found;
}

// From the terminal, unseen, or a line of standard input.
std::string ask_password() {
  termios before{};
  const bool hidden = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before) == 0;
  if (hidden) {
    std::fputs("Password: ", stderr);
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  std::string password;
  std::getline(std::cin, password);
  if (hidden) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    std::fputs("\n", stderr);
  }
  return password;
}

void print_json(const nlohmann::ordered_json& json) {
  print("{}\n", json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void add_account(Team& team, const AdminArguments& arguments) {
  const Account account = team.accounts().create(arguments.name, ask_password(), arguments.tier,
                                                 arguments.admin ? Role::admin : Role::user);
  print("{}  {}  {}  {}\n", account.id, account.name, name(account.role), account.tier);
}

void list_accounts(Team& team, const AdminArguments& arguments) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::string after;
  for (;;) {
    const std::vector<Account> page = team.storage().accounts(std::nullopt, after, 500);
    for (const Account& account : page) {
      if (arguments.json)
        list.push_back(json_of(account));
      else
        print("{}  {:<24} {:<5} {:<8} {:<10} {:>12}  {}\n", account.id, account.name, name(account.role),
              name(account.status), account.tier, format_money(account.balance), date_of(account.created));
    }
    if (page.size() < 500) break;
    after = page.back().name;
  }
  if (arguments.json) print_json(list);
}

void change_account(Team& team, const AdminArguments& arguments) {
  const Account account = account_named(team, arguments.name);
  if (!arguments.tier.empty()) team.config()->tier(arguments.tier);
  const Role role = arguments.role.empty() ? account.role : parse_role(arguments.role);
  if (arguments.password) team.accounts().set_password(account.id, ask_password());
  if (!arguments.tier.empty()) team.storage().set_tier(account.id, arguments.tier);
  if (role != account.role) team.storage().set_role(account.id, role);
  print_json(json_of(*team.storage().account(account.id)));
}

void set_status(Team& team, const AdminArguments& arguments, AccountStatus status) {
  const Account account = account_named(team, arguments.name);
  team.storage().set_status(account.id, status, arguments.reason);
  team.accounts().let_in_by_capacity();
  print("{} is {}\n", account.name, name(status));
}

void remove_account(Team& team, const AdminArguments& arguments) {
  const Account account = account_named(team, arguments.name);
  team.storage().delete_account(account.id, now(team), kActor);
  team.accounts().let_in_by_capacity();
  print("{} and what was known of it is deleted; its ledger entries stay under {}\n", account.name, account.id);
}

void make_code(Team& team, const AdminArguments& arguments) {
  AccessCode code;
  code.tier = arguments.tier.empty() ? team.config()->default_tier : arguments.tier;
  code.uses_left = arguments.uses;
  code.credit = parse_money(arguments.credit.empty() ? "0" : arguments.credit, "--credit");
  code.expires = after_days(team, arguments.days);
  code.note = arguments.note;
  print("{}\n", team.accounts().create_code(code));
}

void list_codes(Team& team, const AdminArguments& arguments) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const AccessCode& code : team.storage().codes()) {
    list.push_back(json_of(code));
    if (!arguments.json)
      print("{}  {:<10} {:>6} uses  credit {}  expires {}  {}\n", code.id, code.tier, code.uses_left,
            format_money(code.credit), code.expires == 0 ? "never" : date_of(code.expires), code.note);
  }
  if (arguments.json) print_json(list);
}

void remove_code(Team& team, const AdminArguments& arguments) {
  if (!team.storage().delete_code(arguments.name)) fail(ErrorKind::not_found, "there is no code '{}'", arguments.name);
  print("{} is withdrawn\n", arguments.name);
}

void make_key(Team& team, const AdminArguments& arguments) {
  std::vector<std::string> scopes;
  for (std::size_t begin = 0; begin < arguments.scopes.size();) {
    const std::size_t end = std::min(arguments.scopes.find(',', begin), arguments.scopes.size());
    scopes.push_back(arguments.scopes.substr(begin, end - begin));
    begin = end + 1;
  }
  const NewKey key = team.accounts().create_key(account_named(team, arguments.name), arguments.key_name, scopes,
                                                after_days(team, arguments.days));
  print("{}\n", key.text);
}

void list_keys(Team& team, const AdminArguments& arguments) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ApiKey& key : team.storage().keys(account_named(team, arguments.name).id)) {
    list.push_back(json_of(key));
    if (arguments.json) continue;
    std::string scopes;
    for (const std::string& scope : key.scopes) scopes += (scopes.empty() ? "" : ",") + scope;
    print("{}  sk-{}...  {:<20} scopes {}  expires {}  {}\n", key.id, key.id, key.name, scopes.empty() ? "all" : scopes,
          key.expires == 0 ? "never" : date_of(key.expires), key.revoked == 0 ? "" : "revoked " + date_of(key.revoked));
  }
  if (arguments.json) print_json(list);
}

void revoke_key(Team& team, const AdminArguments& arguments) {
  if (!team.storage().revoke_key(account_named(team, arguments.name).id, arguments.second, now(team)))
    fail(ErrorKind::not_found, "there is no key '{}' of {} that is not revoked", arguments.second, arguments.name);
  print("sk-{}... is revoked\n", arguments.second);
}

void top_up(Team& team, const AdminArguments& arguments) {
  const Account account = account_named(team, arguments.name);
  const Micros amount = parse_money(arguments.second, "AMOUNT");
  if (amount == 0) fail(ErrorKind::input, "AMOUNT: expected other than 0");
  if (!team.storage().add_entry(account.id, amount > 0 ? EntryKind::top_up : EntryKind::adjustment, amount, kActor,
                                arguments.note, now(team)))
    fail(ErrorKind::input, "AMOUNT: {} has {}, of it {} reserved; found {}", account.name,
         format_money(account.balance), format_money(account.reserved), arguments.second);
  print("{} has {} {}\n", account.name, format_money(team.storage().account(account.id)->balance),
        team.config()->currency);
}

void show_usage(Team& team, const AdminArguments& arguments) {
  UsageFilter filter;
  if (!arguments.name.empty()) filter.account = account_named(team, arguments.name).id;
  if (!arguments.from.empty()) filter.from = parse_date(arguments.from);
  if (!arguments.to.empty()) filter.to = parse_date(arguments.to) + 86'400;
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  if (!arguments.json) print("{}", usage_csv_head());
  filter.limit = 10'000;  // as many at a time: there may be any number
  for (;;) {
    const std::vector<UsageRow> rows = team.storage().usage(filter);
    if (!arguments.json) print("{}", usage_csv(rows));
    if (arguments.json)
      for (const UsageRow& row : rows) list.push_back(json_of(row));
    if (static_cast<std::int64_t>(rows.size()) < filter.limit) break;
    filter.after = UsagePlace{rows.back().day, rows.back().account, rows.back().key, rows.back().model};
  }
  if (arguments.json) print_json(list);
}

void show_ledger(Team& team, const AdminArguments& arguments) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const LedgerEntry& entry :
       team.storage().entries(account_named(team, arguments.name).id, INT64_MAX, arguments.limit))
    list.push_back(json_of(entry));
  print_json(list);
}

void waiting_list(Team& team, const AdminArguments& arguments) {
  if (arguments.capacity >= -1) team.accounts().set_capacity(arguments.capacity);
  if (arguments.let_in > 0)
    for (const std::string& id : team.accounts().let_in(arguments.let_in))
      print("{} is in\n", team.storage().account(id)->name);
  print("capacity {}, active {}, waiting {}\n", team.accounts().capacity(), team.storage().active_accounts(),
        team.storage().waiting_place("").waiting);
}

void show_audit(Team& team, const AdminArguments&) {
  const Audit audit = team.storage().audit();
  print("{} accounts, {} entries, {} requests, {} of them open\n", audit.accounts, audit.entries, audit.requests,
        audit.open);
  for (const std::string& fault : audit.faults) print("{}\n", fault);
  if (!audit.faults.empty()) fail(ErrorKind::system, "the books do not balance: {} faults", audit.faults.size());
  print("the books balance\n");
}

// Opens the team's database, calls, and turns what the service would answer into the command line's words.
std::function<int(const Context&)> on_team(const std::shared_ptr<AdminArguments>& arguments, Action action) {
  return [arguments, action = std::move(action)](const Context&) {
    TeamOptions options = team_files(arguments->data);
    options.serving = false;
    Team team(std::move(options));
    try {
      action(team, *arguments);
    } catch (const ApiError& error) {
      fail(error.status == 404   ? ErrorKind::not_found
           : error.status >= 500 ? ErrorKind::system
                                 : ErrorKind::input,
           "{}", error.what());
    }
    return 0;
  };
}

void add_people(Command& admin, const std::shared_ptr<AdminArguments>& arguments) {
  Command add = admin.subcommand("add", "A new account; asks for its password, or reads a line of standard input");
  add.positional("NAME", arguments->name, "to log in with");
  add.option("--tier", arguments->tier, "its tier (default: the configuration's default_tier)");
  add.flag("--admin", arguments->admin, "may administer the service");
  add.run(on_team(arguments, add_account));

  Command users = admin.subcommand("users", "All accounts");
  users.flag("--json", arguments->json, "as JSON");
  users.run(on_team(arguments, list_accounts));

  Command set = admin.subcommand("set", "Changes an account");
  set.positional("NAME", arguments->name, "its name or id");
  set.option("--tier", arguments->tier, "its tier");
  set.choice("--role", arguments->role, {"user", "admin"}, "user or admin");
  set.flag("--password", arguments->password, "asks for a new password; ends all sessions");
  set.run(on_team(arguments, change_account));

  Command ban = admin.subcommand("ban", "Shuts an account out at once");
  ban.positional("NAME", arguments->name, "its name or id");
  ban.option("--reason", arguments->reason, "shown to the account");
  ban.run(on_team(arguments,
                  [](Team& team, const AdminArguments& given) { set_status(team, given, AccountStatus::banned); }));

  Command unban = admin.subcommand("unban", "Lets an account in again, or in from the waiting list");
  unban.positional("NAME", arguments->name, "its name or id");
  unban.run(on_team(arguments,
                    [](Team& team, const AdminArguments& given) { set_status(team, given, AccountStatus::active); }));

  Command remove = admin.subcommand("rm", "Deletes an account with its keys, sessions and usage");
  remove.positional("NAME", arguments->name, "its name or id");
  remove.run(on_team(arguments, remove_account));

  Command waiting = admin.subcommand("waitlist", "Capacity and the waiting list");
  waiting.option("--capacity", arguments->capacity, -1, 1'000'000'000, "accounts let in without a code; -1: everybody");
  waiting.option("--let-in", arguments->let_in, 1, 1'000'000, "lets in so many, whatever the capacity");
  waiting.run(on_team(arguments, waiting_list));
}

void add_access(Command& admin, const std::shared_ptr<AdminArguments>& arguments) {
  Command code = admin.subcommand("code", "A new access code");
  code.option("--tier", arguments->tier, "of who signs up with it");
  code.option("--uses", arguments->uses, 1, 1'000'000, "how many may (default: 1)");
  code.option("--credit", arguments->credit, "given to each, like 5.00");
  code.option("--days", arguments->days, 0, 36'500, "that it is valid (default: for ever)");
  code.option("--note", arguments->note, "for you");
  code.run(on_team(arguments, make_code));

  Command codes = admin.subcommand("codes", "Access codes that are left");
  codes.flag("--json", arguments->json, "as JSON");
  codes.run(on_team(arguments, list_codes));

  Command withdraw = admin.subcommand("rm-code", "Withdraws an access code");
  withdraw.positional("ID", arguments->name, "as `limpid admin codes` shows it");
  withdraw.run(on_team(arguments, remove_code));

  Command key = admin.subcommand("key", "A new API key, shown this once");
  key.positional("NAME", arguments->name, "the account's name or id");
  key.option("--name", arguments->key_name, "the key's");
  key.option("--scopes", arguments->scopes, "chat,models,usage,admin (default: all but admin)");
  key.option("--days", arguments->days, 0, 36'500, "that it is valid (default: for ever)");
  key.run(on_team(arguments, make_key));

  Command keys = admin.subcommand("keys", "API keys of an account");
  keys.positional("NAME", arguments->name, "its name or id");
  keys.flag("--json", arguments->json, "as JSON");
  keys.run(on_team(arguments, list_keys));

  Command revoke = admin.subcommand("revoke", "Revokes an API key at once");
  revoke.positional("NAME", arguments->name, "the account's name or id");
  revoke.positional("KEY", arguments->second, "the key's id");
  revoke.run(on_team(arguments, revoke_key));
}

void add_money(Command& admin, const std::shared_ptr<AdminArguments>& arguments) {
  Command top = admin.subcommand("top-up", "Adds to a balance; below zero: takes from it");
  top.positional("NAME", arguments->name, "the account's name or id");
  top.positional("AMOUNT", arguments->second, "like 12.50");
  top.option("--note", arguments->note, "in the ledger");
  top.run(on_team(arguments, top_up));

  Command usage = admin.subcommand("usage", "What was used, by day, account, key and model, as CSV");
  usage.positional("NAME", arguments->name, "one account's", false);
  usage.option("--from", arguments->from, "the first day, YYYY-MM-DD");
  usage.option("--to", arguments->to, "the last day");
  usage.flag("--json", arguments->json, "as JSON");
  usage.run(on_team(arguments, show_usage));

  Command ledger = admin.subcommand("ledger", "An account's ledger, the newest entries first, as JSON");
  ledger.positional("NAME", arguments->name, "its name or id");
  ledger.option("--limit", arguments->limit, 1, 1'000'000, "so many entries (default: 100)");
  ledger.run(on_team(arguments, show_ledger));

  Command audit = admin.subcommand("audit", "Adds the books up anew");
  audit.run(on_team(arguments, show_audit));

  Command config = admin.subcommand("config", "Prints the built-in tiers and prices: a team.json to start from");
  config.run([](const Context&) {
    print("{}", default_team_config());
    return 0;
  });
}

}  // namespace

void add_admin(Program& program) {
  auto arguments = std::make_shared<AdminArguments>();
  Command command = program.add("admin", "A team's accounts, keys, codes and money; also while it is served");
  command.option("--data", arguments->data, "the team's folder (LIMPID_DATA; default: team, beside the models)");
  command.examples(
      "limpid admin add ada --admin              the first admin; asks for a password\n"
      "limpid admin code --tier paid --credit 5  an access code to give away\n"
      "limpid admin key ada --scopes chat\n"
      "limpid admin top-up ada 12.50\n"
      "limpid admin usage ada --from 2025-01-01 > usage.csv\n"
      "limpid admin config > DATA/team.json      tiers and prices, to change");
  command.run([](const Context&) -> int { fail(ErrorKind::input, "admin: expected what to do; limpid admin --help"); });
  add_people(command, arguments);
  add_access(command, arguments);
  add_money(command, arguments);
}

}  // namespace limpid

#include "app/serve_app.h"

#include <filesystem>

#include "app/hub_setup.h"
#include "server/api_error.h"
#include "server/pdf_text.h"

namespace limpid {

StaticFiles browser_app();  // made by cmake/embed.cmake from web/dist

namespace {

std::string data_file(const ServeSettings& settings, const char* name) {
  const std::filesystem::path folder =
      settings.data.empty() ? open_store().root() / "serve" : std::filesystem::path(settings.data);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::system, "make the folder {}: {}", folder.string(), error.message());
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);  // for its owner's eyes
  return (folder / name).string();
}

// Who a browser's session belongs to; nobody where there is none, it is over, or its account is banned.
std::optional<AppUser> signed_in(Team& team, const ServedRequest& request) {
  const std::string token = session_token(request);
  if (token.empty()) return std::nullopt;
  try {
    const Account account = team.authenticator().authenticate(request, true).account;
    AppUser user{account.name, std::string(name(account.role)), account.tier, csrf_token(token)};
    if (account.status == AccountStatus::waiting) {
      const WaitingPlace place = team.storage().waiting_place(account.id);
      user.place = place.place;
      user.waiting = place.waiting;
    }
    return user;
  } catch (const ApiError&) {
    return std::nullopt;
  }
}

MachineHostOptions host_options(const ServeSettings& settings, const Context& context,
                                std::function<void(const std::string&)> pulled) {
  MachineHostOptions out;
  out.options = context.options;
  out.options.offline = settings.offline;
  out.may_pull = !settings.offline;
  out.runs = settings.runs;
  out.pulled = std::move(pulled);
  return out;
}

}  // namespace

ServeApp::ServeApp(const ServeSettings& settings, const Context& context,
                   std::function<void(const std::string&)> pulled)
    : settings_(settings),
      files_(browser_app()),
      history_(std::make_unique<History>(data_file(settings, "conversations.db"))),
      documents_(std::make_unique<DocumentIndex>(data_file(settings, "documents.db"), find_program("pdftotext"))),
      host_(host_options(settings, context, std::move(pulled))) {}

void ServeApp::add_routes(Router& router, const std::string& default_model, const std::shared_ptr<Team>& team) {
  AppRouteOptions options;
  options.version = LIMPID_VERSION;
  options.default_model = default_model;
  options.offline = settings_.offline;
  options.team = settings_.team;
  if (team != nullptr) options.user = [team](const ServedRequest& request) { return signed_in(*team, request); };
  add_app_routes(router, options, {&host_, history_.get(), documents_.get()});
  add_static_routes(router, files_, LIMPID_VERSION);
}

void ServeApp::forget_account(const std::string& account) { history_->remove_account(account); }

void ServeApp::clean(Team& team) {
  // Others than a team's belong to who serves without accounts from the same folder.
  history_->remove_accounts_unless([&](const std::string& account) {
    return !account.starts_with("acc_") || team.storage().account(account).has_value();
  });
}

}  // namespace limpid

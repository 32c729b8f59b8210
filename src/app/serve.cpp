// `limpid serve`: builds models, admission, service and HTTP server from the settings, and ends them in order.
#include <fmt/format.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "app/commands.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/serve_app.h"
#include "app/serve_models.h"
#include "app/serve_settings.h"
#include "app/serve_signals.h"
#include "app/serve_team.h"
#include "net/http_server.h"
#include "server/open_admission.h"
#include "server/routes.h"
#include "server/service.h"
#include "server/team_routes.h"

namespace limpid {

namespace {

void log_line(const std::string& line) { std::fwrite(line.data(), 1, line.size(), stderr); }

DispatcherSinks sinks(const ServeSettings& settings) {
  DispatcherSinks out;
  out.access = [on = settings.access_log](const AccessRecord& is) {
    if (!on) return;
    log_line(fmt::format("{} {} {} {} {} {} bytes {:.3f} s {} {}{}\n", is.time, is.peer,
                         is.route == "-" ? "-" : is.method, is.route, is.status, is.bytes, is.seconds, is.request_id,
                         is.account.empty() ? "-" : is.account, is.cut ? " cut" : ""));
  };
  out.error = [](const std::string& id, const std::string& what) {
    log_line(fmt::format("error {}: {}\n", id, visible(what)));
  };
  return out;
}

ServiceOptions service_options(const ServeSettings& settings) {
  ServiceOptions out;
  out.version = LIMPID_VERSION;
  if (is_loopback(settings.host)) out.dispatcher.hosts = {"localhost", "127.0.0.1", "::1", settings.host};
  if (is_loopback(settings.host) || !settings.allow_host.empty())
    out.dispatcher.hosts.insert(out.dispatcher.hosts.end(), settings.allow_host.begin(), settings.allow_host.end());
  out.dispatcher.origins = settings.cors;
  out.generations.keep_alive_seconds = settings.keep_alive;
  out.generations.grace_seconds = settings.grace;
  out.default_max_tokens = settings.max_tokens;
  if (settings.log_prompts)
    out.log_prompt = [](const std::string& id, const std::string& prompt) {
      log_line(fmt::format("prompt {}: {}\n", id, visible(prompt)));
    };
  out.metrics_open = is_loopback(settings.host) && !settings.team;
  return out;
}

HttpServerOptions http_options(const ServeSettings& settings) {
  HttpServerOptions out;
  out.address = settings.host == "localhost" ? "127.0.0.1" : settings.host;
  out.port = static_cast<std::uint16_t>(settings.port);
  out.certificate = settings.cert;
  out.key = settings.key;
  out.workers = static_cast<int>(settings.workers);
  // What is done for others than the entitled (passwords, bodies, grammars) stands back behind the engine and behind the
  // thread that lets connections in: where one core does it all, that thread's share is what everybody waits for.
  out.worker_nice = 5;
  out.connections = static_cast<int>(settings.connections);
  out.connections_by_address = static_cast<int>(connections_of_address(settings));
  out.body_bytes = static_cast<std::size_t>(settings.body_mb) << 20;
  out.bodies_bytes = 16 * out.body_bytes;
  return out;
}

void say_address(const ServeSettings& settings, std::uint16_t port, const std::string& model) {
  const bool v6 = settings.host.find(':') != std::string::npos;
  print("limpid serves {} at {}://{}{}{}:{}\n", model, settings.cert.empty() ? "http" : "https", v6 ? "[" : "",
        settings.host, v6 ? "]" : "", port);
  flush_out();
}

// What the disk has of accounts that are no more; `local` is who serves without accounts from the same folder.
void forget_deleted(LocalModels& models, Team& team) {
  models.forget_accounts_unless([&team] {
    std::vector<std::string> there = team.account_ids();
    there.push_back("local");
    return there;
  });
}

// Who is banned or deleted has no answer that goes on: the routes say it at once, another process within a second.
void stop_with_accounts(Team& team, Service& service, LocalModels& models, ServeApp& app) {
  service.generations().watch([&team](const std::string& account) { return team.active(account); });
  team.when_stopped([&](const std::string& account, bool deleted) {
    service.generations().cancel_account(account);
    if (!deleted) return;
    models.forget_account(account);
    app.forget_account(account);
  });
}

// What was freed and lies in pieces between what is used: glibc gives it back only when it is asked to.
void give_back_pieces() {
#ifdef __GLIBC__
  constexpr std::size_t kWorthIt = std::size_t{16} << 20;
  if (mallinfo2().fordblks >= kWorthIt) malloc_trim(0);
#endif
}

// Until somebody asks it to end; then what runs may end, but not for ever: a second signal cuts it short.
void serve_until_asked(HttpServer& server, const ServeSettings& settings, ServeSignals& signals, Team* team,
                       ServeApp& app, LocalModels& models) {
  const auto attempt = [](const char* otherwise, const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      log_line(fmt::format("limpid: {}: {}\n", otherwise, visible(error.what())));
    }
  };
  constexpr double kTick = 5, kClean = 600;  // seconds
  double since_clean = 0;
  std::uint64_t requests = 0;
  while (true) {
    const ServeSignals::Asked asked = signals.wait(kTick);
    if (asked == ServeSignals::Asked::stop) break;
    if (asked == ServeSignals::Asked::nothing) {
      const std::uint64_t now = server.statistics().requests;
      if (std::exchange(requests, now) != now) give_back_pieces();
      if ((since_clean += kTick) < kClean) continue;
      since_clean = 0;
      if (team == nullptr) continue;
      attempt("what has expired stays for now", [&] { team->clean(); });
      attempt("conversations of deleted accounts stay for now", [&] { app.clean(*team); });
      attempt("prompts of deleted accounts stay on disk for now", [&] { forget_deleted(models, *team); });
      continue;
    }
    if (!settings.cert.empty()) attempt("the old certificate stays", [&] { server.reload_certificate(); });
    if (team != nullptr) attempt("the old tiers stay", [&] { team->reload_config(); });
  }
  double left = settings.drain;
  while (!server.drain(std::min(left, 0.25)) && left > 0) {
    left -= 0.25;
    if (signals.wait(0) == ServeSignals::Asked::stop) break;
  }
}

// A large body or prompt leaves nothing behind: glibc otherwise raises the size from which blocks are given back to the
// system to 32 MB, and keeps an arena for every thread that ever parsed one. After bodies and prompts of 8 MB the
// process had 47 MB instead of 582 (r1-nano, without a team).
void give_back_what_is_freed() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  mallopt(M_ARENA_MAX, 2);
#endif
}

int serve(const ServeSettings& settings, const Context& context) {
  check_settings(settings);
  give_back_what_is_freed();
  ServeSignals signals;
  const std::unique_ptr<LocalModels> models = open_served_models(settings, context);
  const std::shared_ptr<Team> team = settings.team ? open_team(settings, *models) : nullptr;
  const std::unique_ptr<Admission> admission =
      team != nullptr ? make_team_admission(team)
                      : std::make_unique<OpenAdmission>(OpenLimits{settings.api_key, static_cast<int>(settings.queue)});
  Service service(service_options(settings), *models, *admission, sinks(settings));
  if (team != nullptr)
    register_team_routes(service.routes(), team);
  else
    add_free_balance_route(service.routes());
  ServeApp app(settings, context, [&models](const std::string& name) { models->add(name); });
  app.add_routes(service.routes(), models->list().at(0).id, team);
  if (team != nullptr) {
    app.clean(*team);
    forget_deleted(*models, *team);
    stop_with_accounts(*team, service, *models, app);
  }
  HttpServer server(http_options(settings), service.handler(), service.door());
  service.http_statistics([&server] { return server.statistics(); });
  server.start();
  say_address(settings, server.port(), models->list().at(0).id);
  serve_until_asked(server, settings, signals, team.get(), app, *models);
  service.generations().cancel_all();
  server.stop();
  if (team != nullptr) team->when_stopped({});
  return 0;
}

}  // namespace

void add_serve(Program& program) {
  struct ServeArguments {
    std::vector<std::string> models;
    std::string config;
    std::map<std::string, std::string> values;  // of flags, by setting
    std::map<std::string, bool> flags;
  };
  auto arguments = std::make_shared<ServeArguments>();
  Command command = program.add("serve", "Answer over HTTP: OpenAI's and DeepSeek's API on this machine");
  command.positionals("MODEL", arguments->models, "models to serve, the first is the default", false);
  command.option("--config", arguments->config, "a file of settings, JSON (LIMPID_CONFIG)");
  for (const ServeSetting& setting : serve_settings()) {
    if (setting.help.empty()) continue;
    std::string name = "--" + setting.name;
    std::ranges::replace(name, '_', '-');
    if (setting.name == "context") name = "-c," + name;
    if (setting.name == "threads") name = "-t," + name;
    if (setting.flag)
      command.flag(name, arguments->flags[setting.name], setting.help);
    else
      command.option(name, arguments->values[setting.name], setting.help);
  }
  command.examples(
      "limpid serve                             the model of `limpid chat` at http://127.0.0.1:8080\n"
      "limpid serve r1-distill-qwen-1.5b --port 9000 --parallel 16\n"
      "LIMPID_API_KEY=... limpid serve --host 0.0.0.0 --cert cert.pem --key key.pem");
  command.run([arguments](const Context& context) {
    ServeSettings settings;
    const char* from_environment = std::getenv("LIMPID_CONFIG");
    const std::string config =
        arguments->config.empty() && from_environment != nullptr ? from_environment : arguments->config;
    if (!config.empty()) read_settings_file(settings, config);
    read_settings_environment(settings);
    for (const ServeSetting& setting : serve_settings()) {
      std::string value = arguments->flags[setting.name] ? "true" : arguments->values[setting.name];
      if (value.empty()) continue;
      try {
        setting.set(settings, value);
      } catch (const Error& error) {
        fail(ErrorKind::input, "--{}: {}", setting.name, error.what());
      }
    }
    if (!arguments->models.empty()) settings.models = arguments->models;
    settings.offline = settings.offline || context.options.offline;
    return serve(settings, context);
  });
}

}  // namespace limpid

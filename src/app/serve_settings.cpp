#include "app/serve_settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/error.h"
#include "formats/json.h"

namespace limpid {

namespace {

using Set = std::function<void(ServeSettings&, const std::string&)>;

std::vector<std::string> list_of(const std::string& text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    if (comma > at) out.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

Set text(std::string ServeSettings::*field) {
  return [field](ServeSettings& settings, const std::string& value) { settings.*field = value; };
}

Set texts(std::vector<std::string> ServeSettings::*field) {
  return [field](ServeSettings& settings, const std::string& value) { settings.*field = list_of(value); };
}

Set truth(bool ServeSettings::*field) {
  return [field](ServeSettings& settings, const std::string& value) {
    if (value != "true" && value != "false" && value != "1" && value != "0")
      fail(ErrorKind::input, "expected true or false, found \"{}\"", value);
    settings.*field = value == "true" || value == "1";
  };
}

template <typename T>
Set number(T ServeSettings::*field, T least, T most) {
  return [=](ServeSettings& settings, const std::string& value) {
    T found{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), found);
    if (error != std::errc() || end != value.data() + value.size() || !(found >= least && found <= most))
      fail(ErrorKind::input, "expected a number between {} and {}, found \"{}\"", least, most, value);
    settings.*field = found;
  };
}

Set integer(std::int64_t ServeSettings::*field, std::int64_t least, std::int64_t most) {
  return number<std::int64_t>(field, least, most);
}

std::string environment_name(const std::string& name) {
  std::string out = "LIMPID_";
  for (const char c : name) out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

std::string value_of(const nlohmann::json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_array()) return json.dump();
  std::string out;
  for (const nlohmann::json& one : json) {
    if (!one.is_string()) fail(ErrorKind::input, "expected a list of texts");
    out += (out.empty() ? "" : ",") + one.get<std::string>();
  }
  return out;
}

}  // namespace

const std::vector<ServeSetting>& serve_settings() {
  using S = ServeSettings;
  static const std::vector<ServeSetting> table{
      {"models", "", false, texts(&S::models)},
      {"host", "the address to listen at (default: 127.0.0.1, this machine only)", false, text(&S::host)},
      {"port", "the port; 0: any that is free (default: 8080)", false, integer(&S::port, 0, 65535)},
      {"team", "accounts, keys, tiers and quotas", true, truth(&S::team)},
      {"data",
       "the folder of what the server keeps: accounts, ledger, conversations, index (default: serve in the store)",
       false, text(&S::data)},
      {"runs", "the folder of training runs that the app shows (default: runs)", false, text(&S::runs)},
      {"cert", "TLS: the certificate, PEM", false, text(&S::cert)},
      {"key", "TLS: its private key, PEM", false, text(&S::key)},
      {"api_key", "the key that requests must show (better by the environment: LIMPID_API_KEY)", false,
       text(&S::api_key)},
      {"allow_anyone", "listen at a public address though nothing keeps strangers out", true, truth(&S::allow_anyone)},
      {"allow_host", "names that this server is called by, besides localhost: a,b", false, texts(&S::allow_host)},
      {"cors", "origins of pages that may call it from a browser: https://a,https://b", false, texts(&S::cors)},
      {"context", "tokens of a conversation (default: what the model and memory allow)", false,
       integer(&S::context, 0, std::int64_t{1} << 30)},
      {"parallel", "answers computed at a time (default: 4, of a team 32)", false, integer(&S::parallel, 0, 4096)},
      {"threads", "threads (default: the physical cores that this process may use)", false,
       integer(&S::threads, 0, 1024)},
      {"memory_mb", "MB for all models with their caches (default: what is free)", false,
       integer(&S::memory_mb, 0, std::int64_t{1} << 32)},
      {"cache", "how keys and values are kept, f16, bf16, q8 or f32: q8 takes half of f16's memory (default: f16)",
       false, [](S& settings, const std::string& value) { settings.cache = cache_type_name(cache_type_named(value)); }},
      {"cache_dir", "where prompts that were read stay for the next start (default: the store's folder cache)", false,
       text(&S::cache_dir)},
      {"cache_disk_mb", "MB for them; 0: nothing of a conversation is written to disk (default: 4096)", false,
       integer(&S::cache_disk_mb, 0, std::int64_t{1} << 32)},
      {"max_tokens", "of an answer whose request does not say (default: 32768)", false,
       integer(&S::max_tokens, 1, std::int64_t{1} << 30)},
      {"queue", "answers that may wait for each model (default: 256)", false, integer(&S::queue, 1, 65536)},
      {"workers", "threads that read requests (default: 4)", false, integer(&S::workers, 1, 256)},
      {"connections", "open at a time (default: 8192)", false, integer(&S::connections, 1, 1 << 20)},
      {"connections_by_address",
       "of them by one address (default: all; of a team at a public address 256, to be raised behind a proxy)", false,
       integer(&S::connections_by_address, 1, 1 << 20)},
      {"body_mb", "MB of a request's body (default: 8)", false, integer(&S::body_mb, 1, 1024)},
      {"idle_minutes", "a model that nobody used for so long is unloaded; 0: never (default: 30)", false,
       number<double>(&S::idle_minutes, 0, 1e6)},
      {"keep_alive", "seconds of silence before a keep-alive (default: 10)", false,
       number<double>(&S::keep_alive, 0.1, 3600)},
      {"grace", "seconds that a resumable answer waits for its reader (default: 60)", false,
       number<double>(&S::grace, 0, 86400)},
      {"drain", "seconds that running answers have when the server is to end (default: 30)", false,
       number<double>(&S::drain, 0, 86400)},
      {"log_prompts", "the text of every prompt that is answered on standard error, too", true, truth(&S::log_prompts)},
      {"access_log", "a line for each request on standard error (default: true)", false, truth(&S::access_log)},
      {"offline", "", true, truth(&S::offline)},  // every command has the flag
  };
  return table;
}

void read_settings_file(ServeSettings& settings, const std::string& path) {
  const nlohmann::json json = read_json(path, {.bytes = 1 << 20, .unique_keys = true});
  if (!json.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", path, json.type_name());
  for (const auto& [name, value] : json.items()) {
    const auto& table = serve_settings();
    const auto found = std::find_if(table.begin(), table.end(), [&n = name](const auto& one) { return one.name == n; });
    if (found == table.end()) fail(ErrorKind::input, "{}: there is no setting \"{}\"", path, name);
    try {
      found->set(settings, value_of(value));
    } catch (const Error& error) {
      fail(ErrorKind::input, "{}: {}: {}", path, name, error.what());
    }
  }
}

void read_settings_environment(ServeSettings& settings) {
  for (const ServeSetting& setting : serve_settings()) {
    const std::string name = environment_name(setting.name);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) continue;
    try {
      setting.set(settings, value);
    } catch (const Error& error) {
      fail(ErrorKind::input, "{}: {}", name, error.what());
    }
  }
}

std::int64_t connections_of_address(const ServeSettings& settings) {
  constexpr std::int64_t kOfStrangers = 256;
  if (settings.connections_by_address > 0) return settings.connections_by_address;
  return settings.team && !is_loopback(settings.host) ? std::min(kOfStrangers, settings.connections)
                                                      : settings.connections;
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

void check_settings(const ServeSettings& settings) {
  if (settings.cert.empty() != settings.key.empty())
    fail(ErrorKind::input, "--cert and --key belong together; only one was given");
  if (settings.team && !settings.api_key.empty())
    fail(ErrorKind::input, "--api-key is for one person; a team has keys of its own (limpid admin)");
  if (is_loopback(settings.host) || settings.team || settings.allow_anyone || !settings.api_key.empty()) return;
  fail(ErrorKind::input,
       "{} is open to others, and nothing would keep strangers out: give --team, --api-key KEY, or --allow-anyone",
       settings.host);
}

}  // namespace limpid

// What `limpid serve` is told: by a file, by the environment, by flags. One table (kServeSettings in the .cpp) names
// every setting once; a setting "allow_host" is --allow-host, LIMPID_ALLOW_HOST and "allow_host" in the file.
// Flags count before the environment, that before the file, that before the defaults.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace limpid {

struct ServeSettings {
  std::vector<std::string> models;  // as every command takes them; empty: the one chosen for `limpid chat`, or r1-nano
  std::string host = "127.0.0.1";
  std::int64_t port = 8080;
  bool team = false;
  std::string data;           // the folder of what the server keeps; empty: in the store's folder
  std::string runs = "runs";  // the folder of training runs that the app shows
  std::string cert, key;      // PEM files
  std::string api_key;        // without a team: the one key that everybody shows
  bool allow_anyone = false;
  std::vector<std::string> allow_host, cors;
  std::int64_t context = 0, parallel = 0, threads = 0, memory_mb = 0;
  std::string cache = "f16";  // how keys and values are kept: a name of a CacheType
  std::string cache_dir;      // of the prefix cache on disk; empty: in the store, and nowhere without one
  std::int64_t cache_disk_mb = 4096;
  std::int64_t max_tokens = 32768, queue = 256;
  std::int64_t workers = 4, connections = 8192, body_mb = 8;
  std::int64_t connections_by_address = 0;  // 0: connections_of_address()
  double idle_minutes = 30, keep_alive = 10, grace = 60, drain = 30;
  bool access_log = true;
  bool log_prompts = false;
  bool offline = false;
};

struct ServeSetting {
  std::string name, help;
  bool flag = false;                                                  // --name alone means true
  std::function<void(ServeSettings&, const std::string& value)> set;  // throws Error(input), without the source's name
};

const std::vector<ServeSetting>& serve_settings();

// JSON: an object with the names above; lists as lists or "a,b". Throws Error naming the file and the field; an unknown
// name is an error.
void read_settings_file(ServeSettings& settings, const std::string& path);
void read_settings_environment(ServeSettings& settings);

// What does not go together: TLS with half a pair, a public address without anything that keeps strangers out. Throws
// Error(input).
void check_settings(const ServeSettings& settings);

// Where the setting does not say: of a team at a public address 256, which is plenty for a household or an office; else as
// many as there may be in all.
std::int64_t connections_of_address(const ServeSettings& settings);

bool is_loopback(const std::string& host);

}  // namespace limpid

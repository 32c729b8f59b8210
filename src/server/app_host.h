// AppHost: what the browser app's pages ask of this machine beyond the API: which models fit, fetching one, and the
// runs of training that lie here. server/ knows this interface only; app/app_host.h knows hub, machine and training.
//
// From any thread; may block for as long as a measurement or a file takes.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace limpid {

// A model of the catalogue as this machine sees it.
struct PlannedModel {
  std::string name;  // as `limpid pull` takes it
  std::string title, description;
  std::uint64_t bytes = 0;
  bool fits = false;  // into memory, and onto the disk where it is not here
  bool here = false;
  double tokens_per_second = 0;  // expected; 0 where it does not fit
  std::string reason;            // why it does not fit
};

struct PullState {
  enum class State { running, done, failed, cancelled };
  std::string name;
  State state = State::running;
  std::uint64_t done = 0, total = 0;  // bytes
  double bytes_per_second = 0;
  std::string error;
};

// Bytes of memory.
struct MachineMemory {
  std::uint64_t process = 0;    // this server, its models and caches
  std::uint64_t available = 0;  // for more
};

class AppHost {
 public:
  virtual ~AppHost() = default;
  virtual MachineMemory memory() const = 0;      // quick
  virtual std::vector<PlannedModel> plan() = 0;  // the best that is quick enough here first, what does not fit last

  virtual std::vector<PullState> pulls() const = 0;
  // Begins to fetch; one model at a time, others wait as `running` with nothing done. Throws Error(input) for a name
  // that the catalogue lacks, Error(unsupported) where the server is offline.
  virtual PullState pull(const std::string& name) = 0;
  virtual void cancel_pull(const std::string& name) = 0;

  // {"runs": [{"name", "recipe", "stages": [{"name", "kind", "state"}]}]}
  virtual nlohmann::json runs() const = 0;
  // {"name", "stage", "columns", "rows", "samples": [{"step", "prompt", "reply", "answer", "correct"}]}. Throws
  // Error(not_found).
  virtual nlohmann::json curves(const std::string& run, const std::string& stage) const = 0;
};

}  // namespace limpid

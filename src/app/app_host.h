// MachineHost: the AppHost of this machine: catalogue, store and hub, memory and disk, and a folder of training runs.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/command.h"
#include "server/app_host.h"

namespace limpid {

struct MachineHostOptions {
  Options options;       // threads, offline
  bool may_pull = true;  // false: pull() is refused
  std::string runs;      // the folder of training runs
  std::function<void(const std::string&)>
      pulled;  // a model has arrived: its name in the store. From a thread of its own
};

class MachineHost : public AppHost {
 public:
  explicit MachineHost(MachineHostOptions options);
  ~MachineHost() override;  // cancels what is being fetched; what arrived is kept for the next time

  MachineMemory memory() const override;
  std::vector<PlannedModel> plan() override;
  std::vector<PullState> pulls() const override;
  PullState pull(const std::string& name) override;
  void cancel_pull(const std::string& name) override;
  nlohmann::json runs() const override;
  nlohmann::json curves(const std::string& run, const std::string& stage) const override;

 private:
  void loop();
  void fetch(const std::string& name);
  void update(const std::string& name, const std::function<void(PullState&)>& change);
  double bandwidth();

  const MachineHostOptions options_;
  std::mutex measure_mutex_;
  double bandwidth_ = 0;  // bytes a second; 0: not measured yet

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<PullState> pulls_;
  std::deque<std::string> queue_;
  std::string fetching_;
  bool cancel_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace limpid

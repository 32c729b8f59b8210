// ModelLoads: requests that wait for a model to be loaded, without a worker. Each model that is being loaded has a thread
// for as long as that takes; whoever asks for it meanwhile waits beside the others, in bounded number. A load goes on when
// nobody waits for it any longer: it cannot be broken off, and the next one who asks has it.
//
// From any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/served_models.h"

namespace limpid {

class ModelLoads {
 public:
  // The lease, or why there is none.
  using Then = std::function<void(std::shared_ptr<ModelLease>, const std::exception_ptr& failure)>;
  static constexpr std::size_t kMostWaiting = 512, kMostOfAccount = 256;

  explicit ModelLoads(ServedModels& models) : models_(models) {}
  ~ModelLoads();  // who waits is dropped, a load under way is waited for
  ModelLoads(const ModelLoads&) = delete;
  ModelLoads& operator=(const ModelLoads&) = delete;

  std::uint64_t place() { return ++places_; }
  // `then` is called once, on the load's thread: quick. Throws ApiError 503 where too many wait.
  void wait(std::uint64_t place, const std::string& id, const std::string& account, Then then);
  // It is not called any more, unless it is being called already. Gives it back, for whatever it holds to end elsewhere.
  Then leave(std::uint64_t place);
  std::size_t waiting() const;

 private:
  struct Waiter {
    std::uint64_t place;
    std::string account;
    Then then;
  };
  struct Load {
    std::thread thread;
    std::vector<Waiter> waiters;
  };
  void load(const std::string& id);

  ServedModels& models_;
  std::atomic<std::uint64_t> places_{0};
  mutable std::mutex mutex_;           // guards what follows
  std::map<std::string, Load> loads_;  // by model
  std::vector<std::thread> ended_;
  bool stopping_ = false;
};

}  // namespace limpid

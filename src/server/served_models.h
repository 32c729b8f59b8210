// ServedModels: the models that a server answers with, loaded when first asked for, unloaded when idle, within a budget
// of memory. server/ knows this interface only; app/served_models.h opens files and builds engines.
//
// From any thread. lease() may block for as long as loading takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "chat/chat.h"

namespace limpid {

struct ServedModelInfo {
  std::string id;           // as in "model" of a request
  std::string owner;        // "deepseek-ai", "limpid", ...; empty: not known
  std::string description;  // one line
  std::string architecture;
  std::int64_t created = 0;  // Unix seconds: of its files
  std::int64_t parameters = 0, active_parameters = 0;
  std::int64_t bytes = 0;  // of memory when loaded, the cache included
  int context = 0;         // tokens; 0: not known before it is loaded
  bool thinks = false;     // knows <think>
  bool loaded = false;
  std::string fingerprint;  // of model, precision and build: answers with equal ones are equal (system_fingerprint)
  Sampling sampling;        // the model's own advice: what a request does not say
};

// Keeps the model loaded while it lives: a request holds one.
class ModelLease {
 public:
  virtual ~ModelLease() = default;
  virtual ChatEngine& chat() = 0;
  virtual const ServedModelInfo& info() const = 0;
};

class ServedModels {
 public:
  virtual ~ServedModels() = default;
  virtual std::vector<ServedModelInfo> list() const = 0;
  // The id of what lease() would lease, without loading anything. Throws Error(not_found) likewise.
  virtual std::string id_of(const std::string& model) const = 0;
  // What "model" names: an id of list(), or an alias (empty, "deepseek-chat", "deepseek-reasoner", "default": the
  // default model). Throws Error(not_found) with the names there are, Error(resources) where it does not fit beside what
  // is in use.
  virtual std::shared_ptr<ModelLease> lease(const std::string& model) = 0;
  // The same at once; null: it is not loaded. Throws Error(not_found).
  virtual std::shared_ptr<ModelLease> lease_if_loaded(const std::string& model) = 0;
  // Engines of the loaded models, for metrics: name and statistics.
  virtual std::vector<std::pair<std::string, EngineStatistics>> statistics() const = 0;
  // Who waits and who runs in them.
  virtual std::vector<std::pair<std::string, EngineLoad>> queues() const { return {}; }
};

}  // namespace limpid

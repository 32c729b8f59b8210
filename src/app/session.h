// Opening a model for a command: files found, memory checked before anything is loaded, weights packed. Session goes on
// to an engine and the seam of text, for run and chat.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/command.h"
#include "app/interrupt.h"
#include "app/runner.h"
#include "chat/chat.h"
#include "engine/engine.h"
#include "engine/memory_plan.h"
#include "models/load.h"

namespace limpid {

struct OpenedModel {
  ModelFiles files;
  Precision precision = Precision::fast;
  std::unique_ptr<Model> model;
  double load_seconds = 0;
};

// Finds the files of MODEL: a path or a name in the store; BASE+ADAPTER has the adapter merged in (models/adapter.h), and
// BASE may be the beginning of the name of the model that the adapter is for ("smollm2+think").
ModelFiles open_files(const std::string& model);

// What an engine for this model needs in memory; options say threads and rows of a step.
MemoryNeeds memory_needs(const ModelFiles& files, Precision precision, CacheType cache_type,
                         const EngineOptions& options, int sequences);

// The model's own advice (generation_config.json, general.sampling.* of a GGUF); where it gives none temperature 0.6,
// top-p 0.95, DeepSeek's advice for R1.
Sampling advised_sampling(const ModelFiles& files);

// --compute, or what it means where it was not given.
Precision precision_of(const Options& options, Precision otherwise);

// --cache; without it f16, f32 where the precision is exact. Throws Error(input) for another one in exact computing.
CacheType cache_type_of(const Options& options, Precision precision);

// What would do with so many bytes besides the weights, in words for an error; empty: nothing.
using WhatFits = std::function<std::string(std::uint64_t)>;
// "{what} of N tokens would fit": of a Runner with these options.
WhatFits runner_fits(const ModelConfig& config, const RunnerOptions& options, std::string what);

// Loads with context.threads() threads. The memory that weights and `besides` need is checked first: Error(resources)
// with the file, what is needed, what is there and what would fit (`fits`, else the largest quantisation of this model
// that the catalogue has). Ctrl-C while it loads: Error(cancelled). A progress bar on a terminal for models that take a
// while.
OpenedModel load(ModelFiles files, Precision precision, const Context& context, std::uint64_t besides,
                 Interrupts& interrupts, const WhatFits& fits = {});

class Session {
 public:
  // sequences: that many whole contexts at a time. The engine is started. Throws Error.
  Session(const std::string& model, const Context& context, Interrupts& interrupts, int sequences = 1);

  // Throws what the constructor would throw before it loads, counting `freed` bytes as available that are not yet.
  static void check(const std::string& model, const Context& context, std::uint64_t freed, int sequences = 1);

  const ModelFiles& files() const { return opened_.files; }
  double load_seconds() const { return opened_.load_seconds; }
  const MemoryPlan& plan() const { return plan_; }
  CacheType cache_type() const { return cache_type_; }
  std::uint64_t bytes_per_token() const;  // weights that decoding one token reads
  const Tokenizer& tokenizer() const { return tokenizer_; }
  Engine& engine() { return *engine_; }
  ChatEngine& chat() { return *chat_; }
  std::string name() const;  // what the model is called on screen: its file or folder

  // advised_sampling(), over it what the command line says. Without --seed, a new one each time.
  Sampling sampling(const Options& options) const;

 private:
  struct Prepared;
  static Prepared prepare(const std::string& model, const Context& context, std::uint64_t freed, int sequences);
  Session(Prepared prepared, const Context& context, Interrupts& interrupts);

  OpenedModel opened_;
  Tokenizer tokenizer_;
  MemoryPlan plan_;
  CacheType cache_type_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<ChatEngine> chat_;
};

}  // namespace limpid

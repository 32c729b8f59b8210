// What the engine's ways of not computing cost and save, with a real model: a page from disk against the same page
// computed, many requests against one, two engines that take turns on the cores against two that do not.
//
//   engine_bench MODEL.gguf [threads]
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "engine/engine.h"
#include "models/load.h"

namespace limpid {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Of this process: what does not depend on who else is on the machine.
double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::vector<std::int32_t> random_ids(const Model& model, std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids(count);
  for (std::int32_t& id : ids)
    id = static_cast<std::int32_t>(random() % static_cast<unsigned>(model.info().vocabulary));
  return ids;
}

Request request(std::vector<std::int32_t> prompt, int tokens) {
  Request asked;
  asked.prompt = std::move(prompt);
  asked.max_tokens = tokens;
  return asked;
}

EngineOptions options(int threads, int sequences = 1) {
  EngineOptions out;
  out.threads = threads;
  out.pages = 64 + 4 * sequences;
  out.limits.sequences = sequences;
  out.kernels = &best_kernels();
  return out;
}

void disk(const Model& model, int threads) {
  std::string pattern = (std::filesystem::temp_directory_path() / "limpid-bench-XXXXXX").string();
  const std::filesystem::path directory = mkdtemp(pattern.data());
  const auto length = static_cast<std::size_t>(std::min(2049, model.info().context_length - 1));
  const Request asked = request(random_ids(model, length, 1), 1);
  for (int round = 0; round < 3; ++round) {
    EngineOptions how = options(threads);
    how.page_store = std::make_shared<PageStore>(PageStoreOptions{.directory = directory});
    Engine engine(model, how);
    const Clock::time_point begin = Clock::now();
    const Completion found = engine.generate(asked);
    const double seconds = seconds_since(begin);
    for (int again = 0; again < 8; ++again) {  // a quarter of the pool at a time
      how.page_store->drain();
      engine.generate(asked);
    }
    how.page_store->drain();
    const PageStoreStatistics disk = how.page_store->statistics();
    fmt::print(
        "{} cached of {} ids: first token after {:.1f} ms; {} pages read in {:.2f} ms each, {} written in {:.2f} ms "
        "each, {} bytes each\n",
        found.finished.usage.cached_tokens, length, 1e3 * seconds, disk.read,
        disk.read ? 1e3 * disk.read_seconds / static_cast<double>(disk.read) : 0.0, disk.written,
        disk.written ? 1e3 * disk.write_seconds / static_cast<double>(disk.written) : 0.0,
        disk.pages ? disk.bytes / disk.pages : 0);
  }
  std::filesystem::remove_all(directory);
}

void many(const Model& model, int threads) {
  for (const int count : {1, 4, 16, 64}) {
    Engine engine(model, options(threads, count));
    for (int i = 0; i < count; ++i) engine.submit(request(random_ids(model, 64, static_cast<unsigned>(i)), 64));
    const Clock::time_point begin = Clock::now();
    while (engine.step()) {
    }
    const double seconds = seconds_since(begin);
    fmt::print("{:3} requests of 64 + 64: {} steps, {:.1f} answer tokens a second\n", count, engine.statistics().steps,
               64.0 * count / seconds);
  }
}

void turns(const Model& model, int threads) {
  for (const bool taken : {false, true, false, true}) {
    const auto shared = taken ? std::make_shared<StepTurns>() : nullptr;
    const Clock::time_point begin = Clock::now();
    const double used = cpu_seconds();
    std::vector<std::thread> callers;
    for (unsigned i = 0; i < 2; ++i)
      callers.emplace_back([&, i] {
        EngineOptions how = options(threads);
        how.turns = shared;
        Engine engine(model, how);
        engine.generate(request(random_ids(model, 64, i), 128));
      });
    for (std::thread& caller : callers) caller.join();
    fmt::print("two engines, {}: {:.1f} tokens a second together, {:.2f} ms of processor a token\n",
               taken ? "taking turns" : "at the same time", 256 / seconds_since(begin),
               1e3 * (cpu_seconds() - used) / 256);
  }
}

}  // namespace
}  // namespace limpid

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "engine_bench MODEL.gguf [threads]\n");
    return 2;
  }
  const int threads = count > 2 ? std::atoi(arguments[2]) : limpid::default_threads();
  const auto model = limpid::load_model(limpid::ModelFiles::open(arguments[1]), limpid::Precision::fast, threads);
  limpid::disk(*model, threads);
  limpid::many(*model, threads);
  limpid::turns(*model, threads);
}

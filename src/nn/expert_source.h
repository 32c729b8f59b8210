// ExpertSource: where a layer of experts takes its routed experts from: memory that holds them all (models/resident_experts.h), or a cache that reads
// them from disk. The layer asks for those that a step's rows were routed to and takes them in whatever order they come: every (row, slot) has a
// buffer of its own and the buffers are summed in slot order (ops/moe_step.h), so that the order of arrival cannot move a bit.
//
// Threads. One ticket is served to one thread: thread 0 of a step. Steps of one model may run at the same time, so a source takes calls about
// different tickets from different threads. A source that is immediate() is asked by every thread of a step by itself, which saves a barrier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ops/moe.h"

namespace limpid {

class ExpertSource {
 public:
  enum class Wait { no, yes };

  // What is asked for: kept by the asker, given back to every call about it.
  struct Ticket {
    int layer = 0;
    std::span<const std::int32_t> ids;     // ascending, each once; the memory outlives the ticket
    std::span<const std::int32_t> counts;  // rows that each of them was chosen for
    std::size_t given = 0;                 // views so far, counted by next()
    std::uint64_t number = 0;              // the source's own
  };

  virtual ~ExpertSource() = default;

  // True: next() never waits and never fails, views stay valid without release(), and tickets carry all of the state.
  virtual bool immediate() const = 0;
  // Types and shapes that all experts of a layer share; no data, no bias.
  virtual const ExpertWeights& like(int layer) const = 0;

  // Asks for experts of a layer; reading may begin. Throws like next().
  virtual Ticket begin(int layer, std::span<const std::int32_t> ids, std::span<const std::int32_t> counts) = 0;
  // One more of them, in any order. nullopt: all were given, or (Wait::no) none is ready now. May hold back experts until views are released, but
  // with Wait::yes and none out it must give one. Throws Error (a failed read): the ticket is dead then, views that are out are still released.
  virtual std::optional<ExpertView> next(Ticket& ticket, Wait wait) = 0;
  // No thread reads the view any more.
  virtual void release(const Ticket& ticket, const ExpertView& view) = 0;
  // These experts of a layer may be asked for soon. Never waits, never fails, may be ignored.
  virtual void hint(int layer, std::span<const std::int32_t> ids) = 0;
};

}  // namespace limpid

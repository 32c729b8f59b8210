#include "base/wait_point.h"

namespace limpid {

void WaitPoint::wake() {
  if (sleepers_.fetch_add(0, std::memory_order_acq_rel) == 0) return;
  { std::lock_guard lock(mutex_); }  // whoever found done() false sleeps by now
  condition_.notify_all();
}

}  // namespace limpid

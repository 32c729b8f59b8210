#include "app/product_speed.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/memory.h"
#include "base/thread_team.h"
#include "tensor/pack.h"

namespace limpid {

double measure_product_speed(const KernelTable& kernels, int threads) {
  constexpr std::int64_t kRows = 128, kColumns = 256, kTokens = 48;  // 64, 24 and 24 KiB
  constexpr double kSeconds = 0.05;
  std::vector<double> speeds(static_cast<std::size_t>(threads));
  ThreadTeam team(threads);
  team.run([&](int thread) {
    const std::size_t weight_bytes = packed_bytes(DType::bf16, kRows, kColumns),
                      stride = act_row_bytes(ActType::bf16, kColumns);
    const HugeBuffer memory(weight_bytes + stride * kTokens + sizeof(float) * kRows * kTokens + 128);
    LinearArgs args{};
    args.weight = memory.data();
    args.strip_bytes = packed_strip_bytes(DType::bf16, kColumns);
    args.columns = kColumns;
    args.strips = kRows / kStripRows;
    args.valid_rows = kRows;
    args.activations = memory.data() + weight_bytes;
    args.activation_stride = stride;
    args.tokens = kTokens;
    args.out = reinterpret_cast<float*>(memory.data() + weight_bytes + stride * kTokens);
    args.out_stride = kRows;
    const LinearFn product = kernels.linear[static_cast<int>(DType::bf16)];
    product(args);
    team.barrier().wait();
    const auto now = [] { return std::chrono::steady_clock::now(); };
    double best = 0;  // of short stretches: whoever else computes on this machine is not counted
    for (const auto start = now(); std::chrono::duration<double>(now() - start).count() < kSeconds;) {
      const auto begin = now();
      for (int i = 0; i < 16; ++i) product(args);
      const double seconds = std::chrono::duration<double>(now() - begin).count();
      if (seconds > 0) best = std::max(best, 16.0 * 2 * kRows * kColumns * kTokens / seconds);
    }
    speeds[static_cast<std::size_t>(thread)] = best;
  });
  double sum = 0;
  for (const double speed : speeds) sum += speed;
  return sum;
}

}  // namespace limpid

// What a number of a model file may be, whichever format it stands in: checked where it is read, so that nothing is computed with another. The sizes are
// far above those of any model; products of two of them that the code takes are bounded by check() (models/config.h).
#pragma once

#include <cstdint>

namespace limpid {

struct IntegerRange {
  std::int64_t least = 0, most = 0;
};
struct RealRange {
  double least = 0, most = 0;
};

namespace limits {

inline constexpr std::int64_t kMostWidth = std::int64_t{1} << 24;

inline constexpr IntegerRange kWidth{1, kMostWidth}, kOptionalWidth{0, kMostWidth};
inline constexpr IntegerRange kLayers{1, 4096}, kSomeLayers{0, 4096}, kMtpLayers{0, 64};
inline constexpr IntegerRange kContext{1, std::int64_t{1} << 27};
inline constexpr IntegerRange kHeads{1, 65536}, kHeadDim{1, 65536}, kRopeDim{2, 65536};
inline constexpr IntegerRange kExperts{0, 65536}, kSharedExperts{0, 1024};
inline constexpr IntegerRange kGatingFunctions{1, 2};

inline constexpr RealRange kEpsilon{0, 1};
inline constexpr RealRange kRopeBase{1, 1e15};
inline constexpr RealRange kFactor{1e-6, 1e6};    // of RoPE scalings and of the routed experts' sum
inline constexpr RealRange kTemperature{0, 1e3};  // YaRN's mscale and attention factor; 0: not given

}  // namespace limits

}  // namespace limpid

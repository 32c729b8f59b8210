// The products of one instruction set with blocks of 256 values: included by linear_q256_<isa>.cpp only.
#pragma once

#include "kernels/linear_iq.h"
#include "kernels/linear_k.h"
#include "kernels/tables.h"
#include "tensor/dtype.h"

namespace limpid {
namespace {

constexpr void set_superblocks(KernelTable& table) {
  const auto set = [&](DType type, LinearFn product) { table.linear[static_cast<int>(type)] = product; };
  set(DType::q2_k, linear_q256<Q2K>);
  set(DType::q3_k, linear_q256<Q3K>);
  set(DType::q4_k, linear_q256<Q4K>);
  set(DType::q5_k, linear_q256<Q5K>);
  set(DType::q6_k, linear_q256<Q6K>);
  set(DType::iq1_s, linear_q256<Iq1S>);
  set(DType::iq1_m, linear_q256<Iq1M>);
  set(DType::iq2_xxs, linear_q256<Iq2Xxs>);
  set(DType::iq2_xs, linear_q256<Iq2Xs>);
  set(DType::iq2_s, linear_q256<Iq2S>);
  set(DType::iq3_xxs, linear_q256<Iq3Xxs>);
  set(DType::iq3_s, linear_q256<Iq3S>);
  set(DType::iq4_xs, linear_q256<Iq4Xs>);
}

}  // namespace
}  // namespace limpid

// The kernel table of the instruction set that the including file is compiled for.
#pragma once

#include "kernels/linear_blocks.h"
#include "kernels/linear_float.h"
#include "kernels/quantise_generic.h"
#include "kernels/tables.h"
#include "kernels/vector_generic.h"
#include "tensor/dtype.h"

namespace limpid {
namespace {

constexpr void set(KernelTable& table, DType type, LinearFn product) { table.linear[static_cast<int>(type)] = product; }

constexpr KernelTable make_table(const char* isa) {
  KernelTable table{};
  table.isa = isa;
  set(table, DType::f32, linear<Floats<4>>);
  set(table, DType::f16, linear<Floats<2>>);
  set(table, DType::bf16, linear<Bf16Pairs>);
  set(table, DType::f8_e4m3, linear<F8Blocks>);
  set(table, DType::q4_0, linear<Blocks<Q4_0>>);
  set(table, DType::q4_1, linear<Blocks<Q4_1>>);
  set(table, DType::q5_0, linear<Blocks<Q5_0>>);
  set(table, DType::q5_1, linear<Blocks<Q5_1>>);
  set(table, DType::q8_0, linear<Blocks<Q8_0>>);
  set(table, DType::iq4_nl, linear<Blocks<Iq4Nl>>);
  table.quantise[static_cast<int>(ActType::f32)] = quantise_f32;
  table.quantise[static_cast<int>(ActType::bf16)] = quantise_bf16;
  table.quantise[static_cast<int>(ActType::q8_32)] = quantise_q8_32;
  table.quantise[static_cast<int>(ActType::q8_256)] = quantise_q8_256;
  table.rms_norm = rms_norm;
  table.silu_mul = silu_mul;
  table.add = add_rows;
  table.scale_add = scale_add;
  table.sigmoid = sigmoid;
  table.softmax = softmax_row;
  table.rope_angles = rope_angles;
  table.rope_halves = rope_halves;
  table.rope_pairs = rope_pairs;
  table.log_sum_exp = log_sum_exp;
  table.argmax = argmax;
  return table;
}

}  // namespace
}  // namespace limpid

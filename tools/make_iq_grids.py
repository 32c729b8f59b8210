#!/usr/bin/env python3
"""Writes src/tensor/iq_grid_data.h: the code books of the IQ types, from the `gguf` Python package (pip install gguf; MIT).

usage: tools/make_iq_grids.py > src/tensor/iq_grid_data.h
Each entry is packed into 16 bits: the level of value j in bits [b j, b j + b), b = 2 for groups of 8 values and 3 for groups of 4.
"""
import numpy as np
from gguf import quants

NOTICE = """\
// Written by tools/make_iq_grids.py; do not edit. The numbers are those of the gguf Python package, which is under this licence:
//
// MIT License
//
// Copyright (c) 2023 Georgi Gerganov
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
// "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
// distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
// the following conditions:
//
// The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
// MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
// CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
// SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
#pragma once

#include <array>
#include <cstdint>

namespace limpid::iq_data {
"""


def packed(kind):
    kind.init_grid()
    grid = kind.grid.reshape(kind.grid_shape).astype(int)
    bits = 2 if kind.grid_shape[1] == 8 else 3
    levels = {value: level for level, value in enumerate(kind.grid_map)}
    entries = [sum(levels[v] << (bits * j) for j, v in enumerate(row)) for row in grid.tolist()]
    assert max(entries) < 1 << 16 and len(set(entries)) == len(entries)
    return [int(v) for v in kind.grid_map], entries


def array(kind, name, values, form):
    print(f"inline constexpr std::array<{kind}, {len(values)}> {name} = {{")
    line = "   "
    for value in values:
        text = f" {form.format(value)},"
        if len(line) + len(text) > 120:
            print(line)
            line = "   "
        line += text
    print(line + "\n};")


print(NOTICE)
for name, kind in [("IQ2_XXS", quants.IQ2_XXS), ("IQ2_XS", quants.IQ2_XS), ("IQ2_S", quants.IQ2_S), ("IQ3_XXS", quants.IQ3_XXS),
                   ("IQ3_S", quants.IQ3_S), ("IQ1", quants.IQ1_S)]:
    levels, entries = packed(kind)
    array("std::int8_t", f"k{name}Levels", levels, "{}")
    array("std::uint16_t", f"k{name}", entries, "0x{:x}")
    print()
array("std::int8_t", "kIQ4Values", quants.IQ4_NL.kvalues, "{}")
# The signs of 8 values in 7 bits: the eighth makes the number of minuses even.
assert list(quants.IQ2_XXS.ksigns) == [s | bin(s).count("1") % 2 << 7 for s in range(128)]
print("\n}  // namespace limpid::iq_data")

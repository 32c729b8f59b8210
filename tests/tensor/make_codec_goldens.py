#!/usr/bin/env python3
"""Writes tests/tensor/data/codec/: what others' codecs make of the same bytes and numbers.

usage: tests/tensor/make_codec_goldens.py [libggml-base.so]     (pip install gguf torch)
  TYPE.decode  a few blocks (random and extreme), then their f32 values by gguf.quants.dequantize
  TYPE.encode  the blocks that gguf.quants.quantize makes of the numbers of inputs()
  crcs.txt     CRC-32 of longer runs: decoded blocks, conversions of floats (numpy, torch)
With the C library of ggml given, its reference functions must agree with the Python package bit for bit, or this script fails.
The random bytes come from a 64-bit LCG that the test has too, so that inputs are not stored.
"""
import ctypes
import pathlib
import sys
import zlib

import numpy as np
import torch
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

OUT = pathlib.Path(__file__).parent / "data" / "codec"
ENCODED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]
# Where the high bytes of f16 fields are: their bit 6 is cleared in random blocks, so that no scale is infinite or NaN.
F16_HIGH = {
    "Q4_0": [1], "Q4_1": [1, 3], "Q5_0": [1], "Q5_1": [1, 3], "Q8_0": [1], "Q2_K": [81, 83], "Q3_K": [109], "Q4_K": [1, 3], "Q5_K": [1, 3],
    "Q6_K": [209], "IQ1_S": [1], "IQ1_M": [55], "IQ2_XXS": [1], "IQ2_XS": [1], "IQ2_S": [1], "IQ3_XXS": [1], "IQ3_S": [1], "IQ4_NL": [1],
    "IQ4_XS": [1],
}


def lcg(seed, count):
    """The top 32 bits of each state."""
    values = np.empty(count, np.uint32)
    for i in range(count):
        seed = (seed * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        values[i] = seed >> 32
    return values


def random_blocks(name, count):
    size = GGML_QUANT_SIZES[T[name]][1]
    blocks = (lcg(1, count * size) >> 24).astype(np.uint8).reshape(count, size)
    blocks[:, F16_HIGH[name]] &= 0xBF
    return blocks


def extreme_blocks(name):
    size = GGML_QUANT_SIZES[T[name]][1]
    rows = []
    for fill, high in [(0xFF, 0x7B), (0xFF, 0x80), (0x00, 0xFB), (0x55, 0x00)]:  # scales: 65504, a subnormal, -57344, tiny
        block = np.full(size, fill, np.uint8)
        if name == "IQ1_M":  # the scale is spread over nibbles that hold three-bit scales below
            block[55] = block[55] & 0x0F | high & 0xF0 & 0xBF
        else:
            block[F16_HIGH[name]] = high
        rows.append(block)
    return np.stack(rows)


def inputs():
    """32 rows of 256: random over a wide range of magnitudes, and rows that sit on corners."""
    raw = lcg(2, 32 * 256).astype(np.int32).reshape(32, 256).astype(np.float32) * np.float32(2.0**-31)
    rows = raw * np.exp2(np.arange(32, dtype=np.float32) - 20).reshape(32, 1)
    rows[0] = 0
    rows[1] = -3
    rows[2] = 1.5
    rows[3, 1:] = 0
    rows[4] = np.round(raw[4] * 8) / 8   # many ties, and both extremes of one magnitude
    rows[5] = -np.abs(raw[5])
    rows[6] = np.abs(raw[6])
    rows[7] = np.sign(raw[7])
    return rows.astype(np.float32)


def check_with_c(library, name, blocks, decoded, rows, encoded):
    stem = name.lower()
    stem = stem[:-1] + "K" if stem.endswith("_k") else stem
    out = np.empty(decoded.size, np.float32)
    getattr(library, "dequantize_row_" + stem)(blocks.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p),
                                               ctypes.c_int64(out.size))
    same = out.view(np.uint32) == decoded.ravel().view(np.uint32)
    assert same.all(), f"{name}: {np.count_nonzero(~same)} of {same.size} decoded values differ from C's"
    if encoded is not None:
        made = np.empty(encoded.size, np.uint8)
        getattr(library, f"quantize_row_{stem}_ref")(rows.ctypes.data_as(ctypes.c_void_p), made.ctypes.data_as(ctypes.c_void_p),
                                                     ctypes.c_int64(rows.size))
        same = made == encoded.ravel()
        assert same.all(), f"{name}: {np.count_nonzero(~same)} encoded bytes differ from C's"


def crc(array):
    return f"{zlib.crc32(np.ascontiguousarray(array).tobytes()):08x}"


def float_crcs():
    halves = np.arange(0x10000, dtype=np.uint16)
    finite = halves[halves & 0x7C00 != 0x7C00]
    bits = lcg(3, 20000)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    # Exponents near what the small types hold, where rounding happens.
    near = (lcg(4, 20000) & 0x87FFFFFF | 0x38000000).astype(np.uint32).view(np.float32)
    near = np.concatenate([near, near * np.float32(2.0**-14), values])
    near = near[np.isfinite(near)]
    yield "f16_to_f32", finite.view(np.float16).astype(np.float32)
    with np.errstate(over="ignore"):
        yield "f32_to_f16", near.astype(np.float16)
    tensor = torch.from_numpy(near)
    yield "f32_to_bf16", tensor.to(torch.bfloat16).view(torch.uint16).numpy()
    yield "f32_to_e4m3", tensor.clamp(-448, 448).to(torch.float8_e4m3fn).view(torch.uint8).numpy()
    bytes_ = torch.tensor([b for b in range(256) if b & 0x7F != 0x7F], dtype=torch.uint8)
    yield "e4m3_to_f32", bytes_.view(torch.float8_e4m3fn).float().numpy()


def main():
    library = ctypes.CDLL(sys.argv[1]) if len(sys.argv) > 1 else None
    OUT.mkdir(parents=True, exist_ok=True)
    rows = inputs()
    lines = [f"{name} {crc(array)}" for name, array in float_crcs()]
    for name in F16_HIGH:
        count = 8 if GGML_QUANT_SIZES[T[name]][0] == 32 else 2
        blocks = np.concatenate([random_blocks(name, count), extreme_blocks(name)])
        with np.errstate(all="ignore"):
            decoded = quants.dequantize(blocks, T[name])
        (OUT / f"{name}.decode").write_bytes(blocks.tobytes() + decoded.tobytes())
        encoded = None
        if name in ENCODED:
            encoded = quants.quantize(rows, T[name])
            (OUT / f"{name}.encode").write_bytes(encoded.tobytes())
        many = random_blocks(name, 200)
        many_decoded = quants.dequantize(many, T[name])
        lines.append(f"{name} {crc(many_decoded)}")
        if library:
            check_with_c(library, name, blocks, decoded, rows, encoded)
            check_with_c(library, name, many, many_decoded, rows, encoded)
    (OUT / "crcs.txt").write_text("\n".join(lines) + "\n")


main()

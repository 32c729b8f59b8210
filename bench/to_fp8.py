#!/usr/bin/env python3
"""A directory of safetensors in BF16 as FP8 as DeepSeek publishes it: every projection of a layer in F8_E4M3 with a factor for each 128 x 128 block
(`weight_scale_inv` = the block's largest magnitude / 448), all else as it was. For measuring what FP8 costs (docs/numerics.md). Needs numpy.
Usage: to_fp8.py FROM TO"""
import json
import pathlib
import shutil
import struct
import sys

import numpy as np

source, target = map(pathlib.Path, sys.argv[1:3])


def e4m3_values():
    codes = np.arange(127)  # 0x7F is NaN
    exponent, mantissa = codes >> 3, codes & 7
    return np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7.0))


VALUES = e4m3_values()
MIDDLES = (VALUES[1:] + VALUES[:-1]) / 2


def to_e4m3(x):
    """Nearest, ties to the even code."""
    magnitude = np.abs(x)
    code = np.searchsorted(MIDDLES, magnitude, side="left")
    tie = (code < len(MIDDLES)) & (magnitude == MIDDLES[np.minimum(code, len(MIDDLES) - 1)])
    code = np.where(tie & (code % 2 == 1), code + 1, code)
    return (code | np.where(np.signbit(x), 128, 0)).astype(np.uint8)


def blocks_of(weight):
    rows, columns = weight.shape
    codes = np.empty(weight.shape, np.uint8)
    scales = np.empty((-(-rows // 128), -(-columns // 128)), np.float32)
    for i in range(scales.shape[0]):
        for j in range(scales.shape[1]):
            at = np.s_[128 * i : 128 * i + 128, 128 * j : 128 * j + 128]
            scale = np.float32(np.abs(weight[at]).max() / 448) or np.float32(1)
            scales[i, j] = scale
            codes[at] = to_e4m3(weight[at].astype(np.float64) / np.float64(scale))
    return codes, scales


data = (source / "model.safetensors").read_bytes()
(size,) = struct.unpack_from("<Q", data)
header = json.loads(data[8 : 8 + size])
out, parts, offset = {}, [], 0


def add(name, dtype, shape, raw):
    global offset
    out[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(raw)]}
    parts.append(raw)
    offset += len(raw)


for name, entry in header.items():
    if name == "__metadata__":
        out[name] = entry
        continue
    begin, end = (8 + size + o for o in entry["data_offsets"])
    raw = data[begin:end]
    if name.endswith("_proj.weight"):
        assert entry["dtype"] == "BF16", f"{name}: dtype: expected BF16, found {entry['dtype']}"
        weight = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
        codes, scales = blocks_of(weight)
        add(name, "F8_E4M3", entry["shape"], codes.tobytes())
        add(name + "_scale_inv", "F32", scales.shape, scales.tobytes())
    else:
        add(name, entry["dtype"], entry["shape"], raw)

target.mkdir(parents=True)
for file in source.iterdir():
    if file.name not in ("model.safetensors", "config.json"):
        shutil.copy(file, target / file.name)
config = json.loads((source / "config.json").read_text())
config["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
(target / "config.json").write_text(json.dumps(config, indent=2))
text = json.dumps(out).encode()
text += b" " * (-len(text) % 8)
with open(target / "model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)))
    file.write(text)
    for part in parts:
        file.write(part)

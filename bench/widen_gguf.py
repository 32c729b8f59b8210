#!/usr/bin/env python3
"""The same model in a width that K and IQ types take (a multiple of 256), as F32 GGUF: what it computes does not change.

A model of the llama family whose heads are too few and whose residual is too narrow gets zeros: residual columns that are always 0, and heads whose
keys, values and outputs are 0. RMSNorm then divides by sqrt(narrow / wide * mean(x^2) + eps), so its gains and eps shrink to match. Made to measure
the K and IQ products on real weights where only SmolLM2-135M (width 576) is at hand. Needs numpy and the gguf package.
Usage: widen_gguf.py MODEL.gguf WIDE.gguf"""
import math
import sys

import gguf
import numpy as np

MULTIPLE = 256


def up(n, multiple=MULTIPLE):
    return (n + multiple - 1) // multiple * multiple


def padded(x, *shape):
    return np.pad(x, [(0, want - have) for have, want in zip(x.shape, shape)])


def sizes_of(field):
    d, heads, kv_heads, ffn = (field("llama." + name) for name in
                               ("embedding_length", "attention.head_count", "attention.head_count_kv", "feed_forward_length"))
    group, head = heads // kv_heads, d // heads
    wide_kv = kv_heads
    while wide_kv * group * head < d or wide_kv * group * head % MULTIPLE != 0:
        wide_kv += 1
    wide = wide_kv * group * head  # = heads * head: readers derive a head's size from the width
    return {"d": d, "wide": wide, "kv": wide_kv, "heads": wide_kv * group, "q": wide, "v": wide_kv * head, "ffn": up(ffn)}


def widened(name, x, s):
    gain = math.sqrt(s["d"] / s["wide"])
    wide, kind = s["wide"], name.removesuffix(".weight").split(".")[-1]
    if kind in ("attn_norm", "ffn_norm", "output_norm"):
        return padded(x * np.float32(gain), wide)
    rows = {"token_embd": x.shape[0], "output": x.shape[0], "attn_q": s["q"], "attn_k": s["v"], "attn_v": s["v"], "attn_output": wide,
            "ffn_gate": s["ffn"], "ffn_up": s["ffn"], "ffn_down": wide}[kind]
    columns = {"attn_output": s["q"], "ffn_down": s["ffn"]}.get(kind, wide)
    return padded(x, rows, columns)


def main(source, target):
    reader = gguf.GGUFReader(source)
    field = lambda key: reader.fields[key].contents()
    if field("general.architecture") != "llama":
        sys.exit(f"{source}: general.architecture: expected llama, found {field('general.architecture')}")
    s = sizes_of(field)
    changed = {"llama.embedding_length": s["wide"], "llama.attention.head_count": s["heads"], "llama.attention.head_count_kv": s["kv"],
               "llama.feed_forward_length": s["ffn"], "general.file_type": 0,
               "llama.attention.layer_norm_rms_epsilon": field("llama.attention.layer_norm_rms_epsilon") * s["d"] / s["wide"]}
    writer = gguf.GGUFWriter(target, "llama")
    for key, value in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        kind = value.types[0]
        element = value.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, changed.get(key, value.contents()), kind, sub_type=element)
    for tensor in reader.tensors:
        x = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, np.ascontiguousarray(widened(tensor.name, x, s)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"width {s['d']} -> {s['wide']}, {s['heads']} heads, {s['kv']} of keys, hidden {s['ffn']}")


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""Writes the GGUF files of tests/formats/data with the gguf Python package (numpy, gguf): every metadata type, every tensor type that limpid reads,
a file in three parts, and version 2 of the same. Usage: make_gguf_goldens.py DIRECTORY"""
import pathlib
import sys

import gguf
import numpy as np

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
T = gguf.GGMLQuantizationType
V = gguf.GGUFValueType
rng = np.random.default_rng(1)


def metadata(w):
    w.add_uint8("t.u8", 200)
    w.add_int8("t.i8", -100)
    w.add_uint16("t.u16", 60000)
    w.add_int16("t.i16", -30000)
    w.add_uint32("t.u32", 4000000000)
    w.add_int32("t.i32", -2000000000)
    w.add_float32("t.f32", 0.1)
    w.add_bool("t.true", True)
    w.add_bool("t.false", False)
    w.add_string("t.string", "grün 你好 \0 end")
    w.add_key_value("t.empty", "", V.STRING)  # add_string leaves empty ones out
    w.add_uint64("t.u64", 2**64 - 1)
    w.add_int64("t.i64", -(2**63))
    w.add_float64("t.f64", 0.1)
    w.add_array("t.strings", ["a", "", "Ġthe", "日本"])
    w.add_key_value("t.i32s", [1, -2, 3], V.ARRAY, sub_type=V.INT32)
    w.add_key_value("t.u8s", [1, 2, 255], V.ARRAY, sub_type=V.UINT8)
    w.add_key_value("t.f32s", [0.5, -1.25], V.ARRAY, sub_type=V.FLOAT32)
    w.add_key_value("t.bools", [True, False, True], V.ARRAY, sub_type=V.BOOL)
    w.add_key_value("t.u64s", [2**63, 5], V.ARRAY, sub_type=V.UINT64)


w = gguf.GGUFWriter(out / "types.gguf", "llama")
metadata(w)
names = ("F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_NL IQ4_XS "
         "I8 I16 I32 I64 F64").split()
plain = {"F32": np.float32, "F16": np.float16, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64, "F64": np.float64}
for name in names:
    block, size = gguf.GGML_QUANT_SIZES[T[name]]
    if name in plain:
        w.add_tensor(f"x.{name}", np.arange(6, dtype=plain[name]).reshape(2, 3))
    else:  # any bytes will do: the codec's goldens are elsewhere
        w.add_tensor(f"x.{name}", rng.integers(0, 256, (2, 256 // block * size if block > 1 else 6), dtype=np.uint8), raw_dtype=T[name])
w.add_tensor("x.experts", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
w.add_tensor("x.vector", np.arange(5, dtype=np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

w = gguf.GGUFWriter(out / "split.gguf", "llama", split_max_tensors=2)
w.add_string("general.name", "in three parts")
for i in range(5):
    w.add_tensor(f"blk.{i}.weight", np.full((2, 4), i, dtype=np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

w = gguf.GGUFWriter(out / "small.gguf", "llama")
w.add_custom_alignment(64)
w.add_uint32("llama.block_count", 1)
w.add_array("tokenizer.ggml.tokens", ["a", "bc"])
w.add_bool("flag", True)
w.add_tensor("a", np.arange(4, dtype=np.float32))
w.add_tensor("b.weight", np.arange(36, dtype=np.uint8).reshape(2, 18), raw_dtype=T.Q4_0)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
data = bytearray((out / "small.gguf").read_bytes())
data[4] = 2  # the layouts of versions 2 and 3 differ only in that 3 may be big-endian
(out / "small_v2.gguf").write_bytes(data)
w = gguf.GGUFWriter(out / "big_endian.gguf", "llama", endianess=gguf.GGUFEndian.BIG)
w.add_tensor("a", np.arange(4, dtype=np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

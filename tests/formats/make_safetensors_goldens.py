#!/usr/bin/env python3
"""Writes the safetensors files and configs of tests/formats/data with torch, safetensors and transformers 5: every type, two shards with an index,
an FP8 checkpoint with block factors, and config.json as transformers 5 writes it. Usage: make_safetensors_goldens.py DIRECTORY"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import DeepseekV3Config, LlamaConfig, Qwen2Config

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)

types = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn, "I8": torch.int8, "I16": torch.int16,
         "I32": torch.int32, "I64": torch.int64, "F64": torch.float64, "U8": torch.uint8, "BOOL": torch.bool}
tensors = {f"x.{name}": torch.arange(6, dtype=torch.float32).reshape(2, 3).to(dtype) for name, dtype in types.items()}
tensors["x.scalar"] = torch.tensor(2.5)
tensors["x.none"] = torch.zeros((0, 4))
tensors["grün \"quoted\""] = torch.ones(1)
save_file(tensors, out / "types.safetensors", metadata={"format": "pt", "note": "all types"})
save_file({name: t for name, t in tensors.items() if t.dtype not in (torch.uint8, torch.bool)}, out / "writable.safetensors", metadata={"format": "pt"})
save_file({"b": torch.arange(4, dtype=torch.float32), "a.weight": torch.ones((2, 3), dtype=torch.float16)}, out / "small.safetensors",
          metadata={"format": "pt"})

sharded = out / "sharded"
sharded.mkdir(exist_ok=True)
names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
save_file({"model.embed_tokens.weight": torch.arange(8, dtype=torch.float32).reshape(4, 2)}, sharded / names[0])
save_file({"model.norm.weight": torch.full((2,), 3.0), "lm_head.weight": torch.full((4, 2), 5.0)}, sharded / names[1])
index = {"metadata": {"total_size": 72}, "weight_map": {"model.embed_tokens.weight": names[0], "model.norm.weight": names[1], "lm_head.weight": names[1]}}
(sharded / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
(sharded / "config.json").write_text(json.dumps({"model_type": "llama", "rope_theta": 10000.0, "rope_scaling": None, "torch_dtype": "float32"}) + "\n")

fp8 = out / "fp8"
fp8.mkdir(exist_ok=True)
scale = lambda rows, columns: torch.arange(1, rows * columns + 1, dtype=torch.float32).reshape(rows, columns) / 8
save_file({"up.weight": torch.full((129, 3), 1.5).to(torch.float8_e4m3fn), "up.weight_scale_inv": scale(2, 1),
           "down.weight": torch.full((3, 257), -0.5).to(torch.float8_e4m3fn), "down.weight_scale_inv": scale(1, 3),
           "norm.weight": torch.ones(3, dtype=torch.bfloat16)}, fp8 / "model.safetensors")
(fp8 / "config.json").write_text(json.dumps({"model_type": "deepseek_v3", "quantization_config": {
    "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}}) + "\n")

configs = {
    "llama3": LlamaConfig(rope_theta=500000.0, rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                                             "original_max_position_embeddings": 8192}, max_position_embeddings=131072, dtype="bfloat16"),
    "deepseek_v3": DeepseekV3Config(rope_theta=10000, rope_scaling={"type": "yarn", "factor": 40, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0,
                                                                    "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096}),
    "qwen2": Qwen2Config(rope_theta=1000000.0),
}
for name, config in configs.items():
    folder = out / f"config_{name}"
    config.save_pretrained(folder)
for path in out.rglob("*.safetensors"):  # save_file makes them readable by their owner only
    path.chmod(0o644)

#!/usr/bin/env python3
"""Writes the tiny random models of tests/models/data and the logits that transformers gives for them.

Every model is a directory as the Hugging Face hub has it (config.json in the published form, model.safetensors), beside it golden.json (token ids, rows
whose logits are kept) and golden.bin (f32, rows x vocabulary, little-endian). Models that llama.cpp knows are also converted to NAME.gguf by llama.cpp's
own converter, without a tokenizer, so that permuted heads, stacked experts, split kv_b and rope_freqs are as published files have them.

Weights are random but lively: gains away from 1, a gate bias that changes choices, logits that spread. A seed is kept only when no expert is
chosen or dropped by less than MARGIN, so that rounding cannot flip a choice. The reference runs in f32 on weights rounded to the file's type.

Usage: make_goldens.py DIRECTORY --converter LLAMA_CPP_SOURCE      (torch, transformers 5, safetensors, numpy, gguf)"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, DeepseekV2Config, DeepseekV3Config, LlamaConfig, Qwen2Config

TOKENS = 300            # longer than a page of 64 and a span of 256
ROWS = [0, 1, 63, 64, 128, 255, 256, 299]
MARGIN = 1e-4
VOCABULARY = 99         # no multiple of 16

ONE = {"vocab_size": VOCABULARY, "hidden_act": "silu", "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 1,
       "attention_bias": False, "attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": True}
LATENT = {**ONE, "hidden_size": 40, "num_attention_heads": 3, "num_key_value_heads": 3, "kv_lora_rank": 20, "qk_nope_head_dim": 10,
          "qk_rope_head_dim": 16, "v_head_dim": 12, "intermediate_size": 56, "moe_intermediate_size": 12, "num_hidden_layers": 3,
          "first_k_dense_replace": 1, "moe_layer_freq": 1, "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "ep_size": 1}
V3 = {"model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "scoring_func": "sigmoid", "topk_method": "noaux_tc", "norm_topk_prob": True}
V2 = {"model_type": "deepseek_v2", "architectures": ["DeepseekV2ForCausalLM"], "scoring_func": "softmax", "norm_topk_prob": False}
YARN = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 256, "beta_fast": 32, "beta_slow": 1}

# name: config.json, type of the file's matrices, GGUF type of the converter (None: no GGUF)
MODELS = {
    # Llama 3: tied embeddings, three heads to a kv head, head size other than D / H, llama3 scaling whose three regions all occur.
    "llama3": ({**ONE, "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 60, "intermediate_size": 68,
                "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-5,
                "tie_word_embeddings": True, "mlp_bias": False, "rope_theta": 10000.0,
                "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                 "original_max_position_embeddings": 64}}, "bf16", "bf16"),
    # Llama 2: one kv head for each head; no size is a multiple of 16.
    "llama2_odd": ({**ONE, "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 40, "intermediate_size": 72,
                    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "rms_norm_eps": 1e-5,
                    "tie_word_embeddings": False, "rope_scaling": None}, "f16", "f16"),
    "qwen2": ({**ONE, "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_size": 56, "intermediate_size": 88,
               "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
               "rope_theta": 1000000.0, "sliding_window": 512, "use_sliding_window": False, "max_window_layers": 2}, "bf16", "bf16"),
    # V3 and R1: compressed queries, groups, a bias on the choice, YaRN with mscale, a dense layer, a shared expert, a layer of multi-token prediction.
    "deepseek_v3": ({**LATENT, **V3, "vocab_size": 67, "q_lora_rank": 24, "num_hidden_layers": 2,
                     "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 3, "n_group": 4,
                     "topk_group": 2, "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 1, "rope_theta": 10000,
                     "rope_scaling": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}}, "f32", "f32"),
    # The same in the published FP8 form; no size is a multiple of 128, most span two blocks, and kv_b's second block begins inside a head.
    "deepseek_v3_fp8": ({**LATENT, **V3, "vocab_size": 67, "hidden_size": 132, "q_lora_rank": 130, "kv_lora_rank": 130, "qk_nope_head_dim": 32,
                         "v_head_dim": 24,
                         "intermediate_size": 130, "moe_intermediate_size": 20, "num_hidden_layers": 2, "n_routed_experts": 4,
                         "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1, "routed_scaling_factor": 2.5,
                         "num_nextn_predict_layers": 0, "rope_theta": 10000, "rope_scaling": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0},
                         "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                                                 "weight_block_size": [128, 128]}}, "fp8", None),
    # Moonlight: no compression of the query, one group, two shared experts, plain RoPE.
    "moonlight": ({**LATENT, **V3, "q_lora_rank": None, "n_routed_experts": 6, "n_shared_experts": 2, "num_experts_per_tok": 3, "n_group": 1,
                   "topk_group": 1, "routed_scaling_factor": 2.446, "num_nextn_predict_layers": 0, "rope_theta": 50000.0,
                   "rms_norm_eps": 1e-5, "rope_scaling": None}, "bf16", "bf16"),
    # V2-Lite: softmax gate, greedy choice, weights not normalised.
    "deepseek_v2_lite": ({**LATENT, **V2, "q_lora_rank": None, "num_hidden_layers": 2,
                          "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 3,
                          "n_group": 1, "topk_group": 1, "topk_method": "greedy", "routed_scaling_factor": 1.0, "rope_theta": 10000,
                          "hidden_size": 48, "rope_scaling": {**YARN, "mscale": 0.707, "mscale_all_dim": 0.707}}, "bf16", "bf16"),
    # V2: groups scored by their best expert; mscale and mscale_all_dim that differ, so that cos and sin carry a factor.
    "deepseek_v2": ({**LATENT, **V2, "q_lora_rank": 24, "num_hidden_layers": 2,
                     "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 3, "n_group": 4,
                     "topk_group": 2, "topk_method": "group_limited_greedy", "routed_scaling_factor": 4.0, "rope_theta": 10000,
                     "hidden_size": 48, "rope_scaling": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.5}}, "f16", None),
}
CLASSES = {"llama": LlamaConfig, "qwen2": Qwen2Config, "deepseek_v3": DeepseekV3Config, "deepseek_v2": DeepseekV2Config}
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.bfloat16}


def blocks(o, i):
    """(o, i) -> the 128 x 128 block of every value, as indices of rows and columns."""
    return torch.arange(o)[:, None] // 128, torch.arange(i)[None, :] // 128


def fp8(weight):
    """weight (O, I) -> e4m3 values and weight_scale_inv, by blocks of 128 x 128."""
    o, i = weight.shape
    rows, columns = blocks(o, i)
    highest = torch.empty((math.ceil(o / 128), math.ceil(i / 128)))
    for r in range(highest.shape[0]):
        for c in range(highest.shape[1]):
            highest[r, c] = weight[128 * r:128 * r + 128, 128 * c:128 * c + 128].abs().max()
    scale = highest / 448
    return (weight / scale[rows, columns]).to(torch.float8_e4m3fn), scale


def is_fp8(name):
    return name.endswith("proj.weight") or name.endswith("proj_with_mqa.weight")


def random_tensor(name, shape, generator):
    """A lively value for the hub's tensor `name`."""
    noise = torch.randn(shape, generator=generator)
    if name.endswith("e_score_correction_bias"):
        return 0.3 * noise
    if "norm" in name:
        return 1 + 0.3 * noise
    if name.endswith(".bias"):
        return 0.7 * noise
    if "embed_tokens" in name:
        return noise
    if name.endswith("mlp.gate.weight"):
        return 2 * noise / math.sqrt(shape[-1])
    gain = 1.6 if any(part in name for part in ("q_proj", "k_proj", "q_b_proj", "kv_b_proj", "lm_head")) else 1.0
    weight = gain * noise / math.sqrt(shape[-1])
    if len(shape) == 2 and max(shape) > 128:  # blocks of differing size, so that a wrong factor shows
        rows, columns = blocks(*shape)
        weight = weight * torch.tensor([[1.0, 1.7], [0.6, 2.4]])[rows % 2, columns % 2]
    return weight


def hub_shapes(model, config):
    """Names and shapes as the hub's files have them: an expert's matrices apart."""
    shapes = {}
    for name, tensor in list(model.named_parameters()) + [b for b in model.named_buffers() if b[0].endswith("e_score_correction_bias")]:
        if name.endswith("experts.gate_up_proj") or name.endswith("experts.down_proj"):
            base, part = name.rsplit(".", 1)
            experts, rows, columns = tensor.shape
            for e in range(experts):
                if part == "down_proj":
                    shapes[f"{base}.{e}.down_proj.weight"] = (rows, columns)
                else:
                    shapes[f"{base}.{e}.gate_proj.weight"] = shapes[f"{base}.{e}.up_proj.weight"] = (rows // 2, columns)
        else:
            shapes[name] = tuple(tensor.shape)
    for k in range(config.get("num_nextn_predict_layers", 0)):  # like the last layer, with four tensors and two tables of its own
        last, mtp = f"model.layers.{config['num_hidden_layers'] - 1}.", f"model.layers.{config['num_hidden_layers'] + k}."
        d, v = config["hidden_size"], config["vocab_size"]
        shapes |= {mtp + name[len(last):]: shape for name, shape in list(shapes.items()) if name.startswith(last)}
        shapes |= {mtp + "embed_tokens.weight": (v, d), mtp + "enorm.weight": (d,), mtp + "hnorm.weight": (d,), mtp + "eh_proj.weight": (d, 2 * d),
                   mtp + "shared_head.norm.weight": (d,), mtp + "shared_head.head.weight": (v, d)}
    return shapes


def put(model, tensors):
    """Copies the hub's tensors into the model."""
    for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
        if name.endswith("inv_freq"):
            continue
        if name.endswith("experts.gate_up_proj"):
            base = name.rsplit(".", 1)[0]
            value = torch.stack([torch.cat([tensors[f"{base}.{e}.{p}_proj.weight"] for p in ("gate", "up")]) for e in range(tensor.shape[0])])
        elif name.endswith("experts.down_proj"):
            base = name.rsplit(".", 1)[0]
            value = torch.stack([tensors[f"{base}.{e}.down_proj.weight"] for e in range(tensor.shape[0])])
        else:
            value = tensors[name]
        tensor.data.copy_(value)


class Margins:
    """The least gap between what a gate kept and what it dropped, over all gates and tokens."""

    def __init__(self, model, config):
        self.config, self.least = config, math.inf
        for name, module in model.named_modules():
            if name.endswith("mlp.gate"):
                module.register_forward_hook(self.hook)

    def gap(self, scores, kept):
        if kept < scores.shape[-1]:
            values = scores.sort(dim=-1, descending=True).values
            self.least = min(self.least, float((values[..., kept - 1] - values[..., kept]).min()))

    def hook(self, gate, _, output):
        logits, config = output[0], self.config
        sigmoid = config["scoring_func"] == "sigmoid"
        scores = logits.sigmoid() + gate.e_score_correction_bias if sigmoid else logits.softmax(-1)
        groups = scores.view(len(scores), config["n_group"], -1)
        group_scores = groups.topk(2, dim=-1).values.sum(-1) if sigmoid else groups.max(-1).values
        self.gap(group_scores, config["topk_group"])
        kept = group_scores.topk(config["topk_group"], dim=-1).indices
        mask = torch.zeros_like(group_scores).scatter_(1, kept, 1).bool().unsqueeze(-1).expand_as(groups).reshape(scores.shape)
        self.gap(scores.masked_fill(~mask, -math.inf), config["num_experts_per_tok"])


def make(name, config, dtype, seed):
    """One attempt: the tensors of the file, ids, logits, the least margin."""
    generator = torch.Generator().manual_seed(seed)
    arguments = {k: v for k, v in config.items() if k not in ("architectures", "quantization_config", "model_type", "num_nextn_predict_layers")}
    if config["model_type"] == "deepseek_v3":
        arguments["num_nextn_predict_layers"] = 0
    if arguments.get("rope_scaling"):
        arguments["rope_scaling"] = dict(arguments["rope_scaling"])
    model = AutoModelForCausalLM.from_config(CLASSES[config["model_type"]](**arguments), dtype=torch.float32,
                                             attn_implementation="eager", experts_implementation="eager").eval()
    tensors, stored = {}, {}
    for tensor_name, shape in sorted(hub_shapes(model, config).items()):
        value = random_tensor(tensor_name, shape, generator)
        if dtype == "fp8" and is_fp8(tensor_name):
            values, scale = fp8(value)
            stored[tensor_name], stored[tensor_name + "_scale_inv"] = values, scale
            rows, columns = blocks(*shape)
            tensors[tensor_name] = values.float() * scale[rows, columns]
        else:
            stored[tensor_name] = value if tensor_name.endswith("e_score_correction_bias") else value.to(TYPES[dtype])
            tensors[tensor_name] = stored[tensor_name].float()
    if not config["tie_word_embeddings"]:
        assert "lm_head.weight" in tensors
    else:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    put(model, tensors)
    margins = Margins(model, config)
    ids = torch.randint(0, config["vocab_size"], (1, TOKENS), generator=generator)
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits[0]
        precise = model.double()(ids, use_cache=False).logits[0]
    noise = float((logits - precise).abs().max() / (logits.max() - logits.min()))  # of f32, as norms and gates stay f32
    return stored, ids[0].tolist(), logits, margins.least, noise


def convert(source, directory, target, outtype):
    """llama.cpp's converter, told that there is no tokenizer."""
    program = f"""
import sys
sys.path[:0] = [{str(source)!r}, {str(source / 'gguf-py')!r}]
import conversion
conversion.load_all_models()
def subclasses(c):
    return [c] + [d for s in c.__subclasses__() for d in subclasses(s)]
for c in subclasses(conversion.TextModel):
    c.set_vocab = lambda self: self._set_vocab_none()
import convert_hf_to_gguf
sys.argv = ["convert", {str(directory)!r}, "--outfile", {str(target)!r}, "--outtype", {outtype!r}, "--model-name", {target.stem!r}]
convert_hf_to_gguf.main()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--converter", type=pathlib.Path, help="source of llama.cpp, for the GGUF files")
    parser.add_argument("--only", help="one model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, (config, dtype, outtype) in MODELS.items():
        if options.only and name != options.only:
            continue
        for seed in range(1, 200):
            stored, ids, logits, margin, noise = make(name, config, dtype, seed)
            if margin > MARGIN:
                break
        else:
            sys.exit(f"{name}: no seed keeps every choice of experts {MARGIN} apart")
        directory = options.directory / name
        directory.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous() for k, v in stored.items()}, directory / "model.safetensors", metadata={"format": "pt"})
        (directory / "model.safetensors").chmod(0o644)
        torch_dtype = {"f32": "float32", "f16": "float16"}.get(dtype, "bfloat16")
        (directory / "config.json").write_text(json.dumps({**config, "torch_dtype": torch_dtype}, indent=2) + "\n")
        (directory / "golden.json").write_text(json.dumps({"rows": ROWS, "ids": ids}) + "\n")
        kept = logits[ROWS].numpy().astype("<f4")
        kept.tofile(directory / "golden.bin")
        print(f"{name}: seed {seed}, spread {float(kept.max() - kept.min()):.2f}, std {float(kept.std()):.2f}, least margin of a gate {margin:.1e}, "
              f"noise of f32 {noise:.1e}, {sum(v.numel() * v.element_size() for v in stored.values())} bytes", flush=True)
        if outtype and options.converter:
            convert(options.converter.resolve(), directory, (options.directory / f"{name}.gguf").resolve(), outtype)


if __name__ == "__main__":
    main()

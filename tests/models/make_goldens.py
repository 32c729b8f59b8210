#!/usr/bin/env python3
"""Writes the tiny random models of tests/models/data and the logits that transformers gives for them.

Every model is a directory as the Hugging Face hub has it (config.json in the published form, model.safetensors), beside it golden.json (token ids, rows
whose logits are kept) and golden.bin (f32, rows x vocabulary, little-endian). Models that llama.cpp knows are also converted to NAME.gguf by llama.cpp's
own converter, without a tokenizer, so that permuted heads, stacked experts, split kv_b and rope_freqs are as published files have them.
Models with a layer of multi-token prediction also get golden_mtp.bin and NAME_mtp.gguf.

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


def rms_norm(x, gain, eps):
    return gain * x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + eps)


class Mtp:
    """The layer of multi-token prediction, DeepSeek-V3 section 2.2, which transformers leaves out: written from the paper, in double precision. Its block
    is spelled out too, in the expanded form of latent attention, without any module of transformers. The halves of eh_proj's input are in the order of
    the published weights: embedding, hidden state."""

    def __init__(self, tensors, config):
        self.c = config
        prefix = f"model.layers.{config['num_hidden_layers']}."
        self.w = {k[len(prefix):]: v.double() for k, v in tensors.items() if k.startswith(prefix)}

    def rotate(self, x, positions):
        """x (..., T, R), neighbouring pairs; YaRN with mscale = mscale_all_dim, whose factor on cos and sin is 1."""
        c, s = self.c, self.c["rope_scaling"]
        r, base, original = x.shape[-1], c["rope_theta"], s["original_max_position_embeddings"]
        assert s["mscale"] == s["mscale_all_dim"]
        def dimension(turns):
            return r * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))
        low, high = max(math.floor(dimension(s["beta_fast"])), 0), min(math.ceil(dimension(s["beta_slow"])), r - 1)
        inverse = base ** (-torch.arange(0, r, 2).double() / r)
        ramp = ((torch.arange(r // 2).double() - low) / max(high - low, 0.001)).clamp(0, 1)
        inverse = inverse / s["factor"] * ramp + inverse * (1 - ramp)
        angles = positions[:, None] * inverse
        turned = torch.view_as_complex(x.reshape(*x.shape[:-1], r // 2, 2).contiguous()) * torch.polar(torch.ones_like(angles), angles)
        return torch.view_as_real(turned).reshape(x.shape)

    def attention(self, x):
        c, w, eps, t = self.c, self.w, self.c["rms_norm_eps"], len(x)
        h, nope, rope, value, rank = (c[k] for k in ("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_lora_rank"))
        positions = torch.arange(t).double()
        q = rms_norm(x @ w["self_attn.q_a_proj.weight"].T, w["self_attn.q_a_layernorm.weight"], eps) @ w["self_attn.q_b_proj.weight"].T
        q = q.view(t, h, nope + rope).transpose(0, 1)
        latent, key = (x @ w["self_attn.kv_a_proj_with_mqa.weight"].T).split([rank, rope], dim=-1)
        kv = rms_norm(latent, w["self_attn.kv_a_layernorm.weight"], eps) @ w["self_attn.kv_b_proj.weight"].T
        k, v = kv.view(t, h, nope + value).transpose(0, 1).split([nope, value], dim=-1)
        s = c["rope_scaling"]
        scale = (0.1 * s["mscale_all_dim"] * math.log(s["factor"]) + 1) ** 2 / math.sqrt(nope + rope)
        scores = q[..., :nope] @ k.transpose(1, 2) + self.rotate(q[..., nope:], positions) @ self.rotate(key, positions).T
        scores = (scores * scale).masked_fill(torch.ones(t, t).triu(1).bool(), -math.inf)
        out = (scores.softmax(-1) @ v).transpose(0, 1).reshape(t, h * value)
        return out @ w["self_attn.o_proj.weight"].T

    def experts(self, x):
        c, w = self.c, self.w
        def mlp(name, rows):
            gate, up, down = (w[f"mlp.{name}.{p}_proj.weight"].T for p in ("gate", "up", "down"))
            return (torch.nn.functional.silu(rows @ gate) * (rows @ up)) @ down
        scores = torch.sigmoid(x @ w["mlp.gate.weight"].T)
        biased = scores + w["mlp.gate.e_score_correction_bias"]
        out, self.least = mlp("shared_experts", x), math.inf
        for t in range(len(x)):
            groups = biased[t].view(c["n_group"], -1)
            order = groups.topk(2).values.sum(-1).sort(descending=True)
            kept = order.indices[:c["topk_group"]]
            self.least = min(self.least, float(order.values[c["topk_group"] - 1] - order.values[c["topk_group"]]))
            allowed = torch.full_like(groups, -math.inf)
            allowed[kept] = groups[kept]
            choice = allowed.view(-1).sort(descending=True)
            n = c["num_experts_per_tok"]
            self.least = min(self.least, float(choice.values[n - 1] - choice.values[n]))
            ids = choice.indices[:n]
            weights = c["routed_scaling_factor"] * scores[t, ids] / scores[t, ids].sum()
            out[t] += sum(p * mlp(f"experts.{int(e)}", x[t]) for p, e in zip(weights, ids))
        return out

    def logits(self, hidden, next_ids):
        """hidden (T, D) of the main model; next_ids (T): the id after each position -> (T, V)."""
        w, eps = self.w, self.c["rms_norm_eps"]
        joined = torch.cat([rms_norm(w["embed_tokens.weight"][next_ids], w["enorm.weight"], eps), rms_norm(hidden, w["hnorm.weight"], eps)], dim=-1)
        x = joined @ w["eh_proj.weight"].T
        x = x + self.attention(rms_norm(x, w["input_layernorm.weight"], eps))
        x = x + self.experts(rms_norm(x, w["post_attention_layernorm.weight"], eps))
        return rms_norm(x, w["shared_head.norm.weight"], eps) @ w["shared_head.head.weight"].T


def mtp_goldens(directory, config):
    """Reads the files of a model that is there and writes golden_mtp.bin: ROWS but the last, of the logits with the hidden state behind the main model's
    final norm, then before it."""
    from safetensors.torch import load_file
    tensors = load_file(directory / "model.safetensors")
    ids = torch.tensor(json.loads((directory / "golden.json").read_text())["ids"])
    arguments = {k: v for k, v in config.items() if k not in ("architectures", "model_type", "num_nextn_predict_layers")}
    model = AutoModelForCausalLM.from_config(CLASSES[config["model_type"]](**arguments, num_nextn_predict_layers=0), dtype=torch.float32,
                                             attn_implementation="eager", experts_implementation="eager").eval()
    put(model, tensors)
    model, kept = model.double(), {}
    model.model.norm.register_forward_hook(lambda _, inputs, output: kept.update(raw=inputs[0][0], normed=output[0]))
    with torch.no_grad():
        model(ids[None], use_cache=False)
    mtp, results = Mtp(tensors, config), []
    for kind in ("normed", "raw"):
        results.append(mtp.logits(kept[kind][:-1].double(), ids[1:])[[r for r in ROWS if r + 1 < TOKENS]])
        print(f"{directory.name}: multi-token prediction, {kind}: spread {float(results[-1].max() - results[-1].min()):.2f}, "
              f"least margin of its gate {mtp.least:.1e}", flush=True)
    torch.stack(results).numpy().astype("<f4").tofile(directory / "golden_mtp.bin")


def gguf_with_mtp(source, directory, target):
    """Copies a GGUF file of ours and adds the layer of multi-token prediction under the names of gguf-py, which the converter drops for this
    architecture."""
    import gguf
    from safetensors.torch import load_file
    reader, tensors = gguf.GGUFReader(source), load_file(directory / "model.safetensors")
    config = json.loads((directory / "config.json").read_text())
    layer, heads = config["num_hidden_layers"], config["num_attention_heads"]
    writer = gguf.GGUFWriter(target, "deepseek2")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        value, kind = field.contents(), field.types[0]
        if field.name == "deepseek2.block_count":
            value = layer + 1
        writer.add_key_value(field.name, value, kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    if not reader.get_field("deepseek2.nextn_predict_layers"):
        writer.add_nextn_predict_layers(1)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    hub, ours = f"model.layers.{layer}.", f"blk.{layer}."
    plain = {"enorm": "nextn.enorm", "hnorm": "nextn.hnorm", "eh_proj": "nextn.eh_proj", "embed_tokens": "nextn.embed_tokens",
             "shared_head.norm": "nextn.shared_head_norm", "shared_head.head": "nextn.shared_head_head", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm", "self_attn.q_a_proj": "attn_q_a", "self_attn.q_a_layernorm": "attn_q_a_norm",
             "self_attn.q_b_proj": "attn_q_b", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa", "self_attn.kv_a_layernorm": "attn_kv_a_norm",
             "self_attn.o_proj": "attn_output", "mlp.gate": "ffn_gate_inp", "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
             "mlp.shared_experts.up_proj": "ffn_up_shexp", "mlp.shared_experts.down_proj": "ffn_down_shexp"}
    for theirs, name in plain.items():
        writer.add_tensor(f"{ours}{name}.weight", tensors[f"{hub}{theirs}.weight"].float().numpy())
    writer.add_tensor(ours + "exp_probs_b.bias", tensors[hub + "mlp.gate.e_score_correction_bias"].float().numpy())
    for part in ("gate", "up", "down"):
        stack = [tensors[f"{hub}mlp.experts.{e}.{part}_proj.weight"].float() for e in range(config["n_routed_experts"])]
        writer.add_tensor(f"{ours}ffn_{part}_exps.weight", torch.stack(stack).numpy())
    both = tensors[hub + "self_attn.kv_b_proj.weight"].float().view(heads, -1, config["kv_lora_rank"])
    k, v = both.split([config["qk_nope_head_dim"], config["v_head_dim"]], dim=1)
    writer.add_tensor(ours + "attn_k_b.weight", k.transpose(1, 2).contiguous().numpy())
    writer.add_tensor(ours + "attn_v_b.weight", v.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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


def write_mtp(data, name, config):
    if config.get("num_nextn_predict_layers", 0) == 0:
        return
    mtp_goldens(data / name, config)
    gguf_with_mtp(data / f"{name}.gguf", data / name, data / f"{name}_mtp.gguf")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--converter", type=pathlib.Path, help="source of llama.cpp, for the GGUF files")
    parser.add_argument("--only", help="one model")
    parser.add_argument("--mtp", action="store_true", help="only what is of multi-token prediction, from the files that are there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, (config, dtype, outtype) in MODELS.items():
        if options.only and name != options.only:
            continue
        if options.mtp:
            write_mtp(options.directory, name, config)
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
        write_mtp(options.directory, name, config)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the seeds of model_fuzz: the smallest models of each kind, in both formats.   make_model_seeds.py [FOLDER]

A few kilobytes each, so that a fuzzer that changes one byte in a few thousand changes a size soon. Nothing but Python's own modules.
"""
import json
import os
import struct
import sys

D, H, V, F = 4, 2, 5, 6              # width, heads, vocabulary, feed-forward width
NOPE, ROPE, VALUE, RANK, QR, E, EF = 2, 2, 3, 4, 3, 4, 2


def llama_tensors(bias):
    """name of (safetensors, GGUF): row-major shape"""
    t = {("model.embed_tokens.weight", "token_embd.weight"): (V, D), ("model.norm.weight", "output_norm.weight"): (D,)}
    for hf, gg, shape in [("input_layernorm.weight", "attn_norm.weight", (D,)), ("self_attn.q_proj.weight", "attn_q.weight", (H * 2, D)),
                          ("self_attn.k_proj.weight", "attn_k.weight", (2, D)), ("self_attn.v_proj.weight", "attn_v.weight", (2, D)),
                          ("self_attn.o_proj.weight", "attn_output.weight", (D, H * 2)), ("post_attention_layernorm.weight", "ffn_norm.weight", (D,)),
                          ("mlp.gate_proj.weight", "ffn_gate.weight", (F, D)), ("mlp.up_proj.weight", "ffn_up.weight", (F, D)),
                          ("mlp.down_proj.weight", "ffn_down.weight", (D, F))] + (
                              [(f"self_attn.{n}_proj.bias", f"attn_{n}.bias", (r,)) for n, r in (("q", H * 2), ("k", 2), ("v", 2))] if bias else []):
        t["model.layers.0." + hf, "blk.0." + gg] = shape
    return t


def deepseek_tensors(q_rank, split, mtp):
    t = {("model.embed_tokens.weight", "token_embd.weight"): (V, D), ("model.norm.weight", "output_norm.weight"): (D,), ("lm_head.weight", "output.weight"): (V, D)}
    for layer in range(3 if mtp else 2):
        def add(hf, gg, *shape):
            t[f"model.layers.{layer}.{hf}", f"blk.{layer}.{gg}"] = shape
        add("input_layernorm.weight", "attn_norm.weight", D)
        if q_rank:
            add("self_attn.q_a_proj.weight", "attn_q_a.weight", QR, D)
            add("self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight", QR)
            add("self_attn.q_b_proj.weight", "attn_q_b.weight", H * (NOPE + ROPE), QR)
        else:
            add("self_attn.q_proj.weight", "attn_q.weight", H * (NOPE + ROPE), D)
        add("self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight", RANK + ROPE, D)
        add("self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight", RANK)
        if split:
            add("", "attn_k_b.weight", H, RANK, NOPE)
            add("", "attn_v_b.weight", H, VALUE, RANK)
        else:
            add("self_attn.kv_b_proj.weight", "attn_kv_b.weight", H * (NOPE + VALUE), RANK)
        add("self_attn.o_proj.weight", "attn_output.weight", D, H * VALUE)
        add("post_attention_layernorm.weight", "ffn_norm.weight", D)
        if layer == 0:
            add("mlp.gate_proj.weight", "ffn_gate.weight", F, D)
            add("mlp.up_proj.weight", "ffn_up.weight", F, D)
            add("mlp.down_proj.weight", "ffn_down.weight", D, F)
            continue
        add("mlp.gate.weight", "ffn_gate_inp.weight", E, D)
        add("mlp.gate.e_score_correction_bias", "exp_probs_b.bias", E)
        for hf, gg, r, c in (("gate", "gate", EF, D), ("up", "up", EF, D), ("down", "down", D, EF)):
            add(f"mlp.shared_experts.{hf}_proj.weight", f"ffn_{gg}_shexp.weight", r, c)
            t[f"model.layers.{layer}.mlp.experts.{{}}.{hf}_proj.weight", f"blk.{layer}.ffn_{gg}_exps.weight"] = (E, r, c)
        if layer == 2:
            for name in ("enorm", "hnorm"):
                add(name + ".weight", f"nextn.{name}.weight", D)
            add("eh_proj.weight", "nextn.eh_proj.weight", D, 2 * D)
            add("shared_head.norm.weight", "nextn.shared_head_norm.weight", D)
    return t


def count(shape):
    n = 1
    for s in shape:
        n *= s
    return n


def values(n):
    return struct.pack(f"<{n}f", *[((i * 7) % 13 - 6) / 8 for i in range(n)])


def string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(metadata, tensors):
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        out += string(key)
        if isinstance(value, str):
            out += struct.pack("<I", 8) + string(value)
        elif isinstance(value, bool):
            out += struct.pack("<IB", 7, value)
        elif isinstance(value, float):
            out += struct.pack("<If", 6, value)
        else:
            out += struct.pack("<II", 4, value)
    data = b""
    for (_, name), shape in tensors.items():
        out += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", s) for s in reversed(shape)) + struct.pack("<IQ", 0, len(data))
        data += values(count(shape))
        data += b"\0" * (-len(data) % 32)
    return out + b"\0" * (-len(out) % 32) + data


def safetensors(config, tensors):
    header, data = {}, b""
    for (name, _), shape in tensors.items():
        each = [(name.format(i), shape[1:]) for i in range(shape[0])] if "{}" in name else [(name, shape)]
        for one, dims in each:
            header[one] = {"dtype": "F32", "shape": list(dims), "data_offsets": [len(data), len(data) + 4 * count(dims)]}
            data += values(count(dims))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return json.dumps(config).encode() + b"\0" + struct.pack("<Q", len(text)) + text + data


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "model")
    os.makedirs(folder, exist_ok=True)

    def write(name, content):
        with open(os.path.join(folder, name), "wb") as out:
            out.write(content)

    def common(a, layers):
        return {"general.architecture": a, f"{a}.embedding_length": D, f"{a}.block_count": layers, f"{a}.context_length": 64, f"{a}.attention.head_count": H,
                f"{a}.feed_forward_length": F, f"{a}.attention.layer_norm_rms_epsilon": 1e-5, f"{a}.rope.freq_base": 10000.0}
    base = {"vocab_size": V, "hidden_size": D, "num_attention_heads": H, "intermediate_size": F, "max_position_embeddings": 64, "rms_norm_eps": 1e-5}
    for kind, bias in (("llama", False), ("qwen2", True)):
        write(kind + ".gguf", gguf({**common(kind, 1), f"{kind}.attention.head_count_kv": 1, f"{kind}.rope.dimension_count": 2}, llama_tensors(bias)))
        write(kind + ".safetensors", safetensors({"model_type": kind, **base, "num_hidden_layers": 1, "num_key_value_heads": 1, "tie_word_embeddings": True,
                                                  "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                                                   "original_max_position_embeddings": 16}}, llama_tensors(bias)))
    deepseek = {"attention.kv_lora_rank": RANK, "rope.dimension_count": ROPE, "attention.key_length_mla": NOPE + ROPE, "attention.value_length_mla": VALUE,
                "attention.key_length": RANK + ROPE, "attention.value_length": RANK, "leading_dense_block_count": 1, "expert_count": E, "expert_used_count": 2,
                "expert_feed_forward_length": EF, "expert_shared_count": 1, "expert_gating_func": 2, "expert_group_count": 2, "expert_group_used_count": 1,
                "expert_weights_scale": 2.5, "expert_weights_norm": True, "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
                "rope.scaling.original_context_length": 16, "rope.scaling.yarn_log_multiplier": 0.1}
    for name, q_rank, split, mtp in (("deepseek", True, True, True), ("deepseek-joint", False, False, False)):
        metadata = {**common("deepseek2", 3 if mtp else 2), **{"deepseek2." + k: v for k, v in deepseek.items()}}
        if q_rank:
            metadata["deepseek2.attention.q_lora_rank"] = QR
        if mtp:
            metadata["deepseek2.nextn_predict_layers"] = 1
        write(name + ".gguf", gguf(metadata, deepseek_tensors(q_rank, split, mtp)))
        write(name + ".safetensors", safetensors(
            {"model_type": "deepseek_v3", **base, "num_hidden_layers": 2, "kv_lora_rank": RANK, "q_lora_rank": QR if q_rank else None, "qk_nope_head_dim": NOPE,
             "qk_rope_head_dim": ROPE, "v_head_dim": VALUE, "first_k_dense_replace": 1, "n_routed_experts": E, "num_experts_per_tok": 2,
             "moe_intermediate_size": EF, "n_shared_experts": 1, "n_group": 2, "topk_group": 1, "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 1 if mtp else 0,
             "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0,
                              "original_max_position_embeddings": 16}}, deepseek_tensors(q_rank, False, mtp)))


main()

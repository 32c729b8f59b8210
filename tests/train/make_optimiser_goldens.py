#!/usr/bin/env python3
"""Ten steps of AdamW and of Muon by PyTorch, for tests/train/optimiser_test.cpp -> data/optimiser.json.

Values and gradients are the hash `noise` of (parameter, element, step), which the test computes too, so that the file
holds results only. Muon is written out in float64 from its papers, and torch.optim.Muon (which orthogonalises in bf16)
has to agree with it as far as bf16 goes.
usage: make_optimiser_goldens.py        needs torch
"""
import json
import math
import pathlib

import torch

STEPS, RATE, WARMUP, DECAY, CLIP, MOMENTUM, RMS = 10, 0.01, 3, 0.1, 1.0, 0.95, 0.2
# The test's model: llama, 1 layer, width 8, 2 heads of 4, 1 key and value head, MLP 12, vocabulary 10; in its order.
# (name, rows, columns); rows 0: a vector
PARAMETERS = [
    ("model.embed_tokens.weight", 10, 8),
    ("model.layers.0.input_layernorm.weight", 0, 8),
    ("model.layers.0.self_attn.q_proj.weight", 8, 8),
    ("model.layers.0.self_attn.k_proj.weight", 4, 8),
    ("model.layers.0.self_attn.v_proj.weight", 4, 8),
    ("model.layers.0.self_attn.o_proj.weight", 8, 8),
    ("model.layers.0.post_attention_layernorm.weight", 0, 8),
    ("model.layers.0.mlp.gate_proj.weight", 12, 8),
    ("model.layers.0.mlp.up_proj.weight", 12, 8),
    ("model.layers.0.mlp.down_proj.weight", 8, 12),
    ("model.norm.weight", 0, 8),
    ("lm_head.weight", 10, 8),
]


def noise(name, step, count):
    seed = sum((i + 1) * ord(c) for i, c in enumerate(name))
    values = []
    for i in range(count):
        h = (seed * 1000003 + step * 7919 + i * 104729 + 12345) & 0xFFFFFFFF
        h = ((h ^ (h >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
        h = ((h ^ (h >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
        h ^= h >> 16
        values.append((h & 0xFFFF) / 32768 - 1)
    return torch.tensor(values, dtype=torch.float32)


def start():
    made = []
    for name, rows, columns in PARAMETERS:
        values = noise(name, 0, max(rows, 1) * columns)
        made.append(torch.nn.Parameter(values.reshape(rows, columns) if rows else values))
    return made


def by_muon(name):
    return "_proj" in name


def orthogonal(g):
    """Newton and Schulz, five steps of Jordan's quintic, in float64."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def run(muon, reference=None):
    parameters = start()
    names = [name for name, _, _ in PARAMETERS]
    is_muon = [muon and by_muon(name) for name in names]
    decayed = [p for p, m in zip(parameters, is_muon) if not m and p.dim() == 2]
    plain = [p for p, m in zip(parameters, is_muon) if not m and p.dim() == 1]
    adam = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}],
                             lr=RATE, betas=(0.9, 0.95), eps=1e-8, foreach=False)
    matrices = [p for p, m in zip(parameters, is_muon) if m]
    theirs = None
    if muon and reference == "torch":
        theirs = torch.optim.Muon(matrices, lr=RATE, weight_decay=DECAY, momentum=MOMENTUM, nesterov=True,
                                  adjust_lr_fn="match_rms_adamw")
    momenta = [torch.zeros_like(p, dtype=torch.float64) for p in matrices]
    norms = []
    for step in range(1, STEPS + 1):
        rate = RATE * min(1, step / WARMUP)
        for name, p in zip(names, parameters):
            p.grad = noise(name, step, p.numel()).reshape(p.shape) * (0.02 if step > 5 else 1.0)
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, CLIP)))
        for optimiser in [adam] + ([theirs] if theirs else []):
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
        if not muon or theirs:
            continue
        with torch.no_grad():
            for p, m in zip(matrices, momenta):
                m.mul_(MOMENTUM).add_(p.grad.double())
                update = orthogonal(p.grad.double() + MOMENTUM * m)
                value = p.double() * (1 - rate * DECAY) - rate * RMS * math.sqrt(max(p.shape)) * update
                p.copy_(value.float())
    return parameters, norms


def numbers(parameters):
    return [[float(f"{v:.9g}") for v in p.detach().reshape(-1).tolist()] for p in parameters]


def main():
    adamw, norms = run(False)
    muon, _ = run(True)
    theirs, _ = run(True, "torch")
    first = start()
    for (name, _, _), ours, torchs, before in zip(PARAMETERS, muon, theirs, first):
        difference = (ours - torchs).norm() / (ours - before).norm()
        assert difference < 0.05, (name, difference)
        print(f"{name}: {difference:.4f} of the way apart from torch.optim.Muon in bf16")
    out = {"norms": norms, "adamw": numbers(adamw), "muon": numbers(muon)}
    pathlib.Path(__file__).with_name("data").joinpath("optimiser.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


main()

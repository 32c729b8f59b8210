#!/usr/bin/env python3
"""Gradients of the tiny models of tests/models/data by PyTorch autograd through transformers, in f32: for each, the loss
of 70 tokens (a weighted, partly masked sum of cross-entropies) and of every parameter the norm of its gradient and some
of its values. tests/models/gradient_golden_test.cpp compares.
Usage: make_gradient_goldens.py [NAME...]   (needs torch and transformers)"""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)

DATA = os.path.join(os.path.dirname(__file__), "..", "models", "data")
NAMES = ["llama3", "llama2_odd", "qwen2", "deepseek_v3", "moonlight", "deepseek_v2_lite"]
TOKENS, SAMPLES = 70, 12


def weights(count):
    """Of each row of logits; 0 is masked."""
    return [0.0 if i % 5 == 3 else 0.25 * (1 + i % 4) for i in range(count)]


def gradients(name):
    directory = os.path.join(DATA, name)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    with open(os.path.join(directory, "golden.json")) as file:
        ids = json.load(file)["ids"][: TOKENS + 1]
    logits = model(torch.tensor([ids[:TOKENS]]), use_cache=False).logits[0]
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
    loss = (losses * torch.tensor(weights(TOKENS))).sum()
    loss.backward()
    parameters = {}
    for key, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        parts = {key: parameter.grad}
        # transformers 5 stacks the experts; the files have them one by one.
        if key.endswith("experts.gate_up_proj"):
            parts = {}
            for expert, both in enumerate(parameter.grad):
                gate, up = both.chunk(2, dim=0)
                parts[key.replace("gate_up_proj", f"{expert}.gate_proj.weight")] = gate
                parts[key.replace("gate_up_proj", f"{expert}.up_proj.weight")] = up
        elif key.endswith("experts.down_proj"):
            parts = {key.replace("down_proj", f"{expert}.down_proj.weight"): one for expert, one in enumerate(parameter.grad)}
        for part, grad in parts.items():
            flat = grad.detach().double().flatten()
            at = [i * 7919 % len(flat) for i in range(min(SAMPLES, len(flat)))]
            parameters[part] = {"norm": float(f"{flat.norm().item():.9g}"), "values": [float(f"{flat[i].item():.7g}") for i in at]}
    return {"ids": ids, "loss": loss.item(), "parameters": parameters}


for wanted in sys.argv[1:] or NAMES:
    result = gradients(wanted)
    path = os.path.join(DATA, wanted, "gradients.json")
    with open(path, "w") as out:
        json.dump(result, out, separators=(",", ":"))
        out.write("\n")
    print(wanted, "loss", result["loss"], len(result["parameters"]), "parameters", os.path.getsize(path), "bytes")

#!/usr/bin/env python3
"""Gradients of adapters by PEFT and PyTorch's autograd, in f32: the tiny models of tests/models/data with LoRA beside
their matrices, whose values are a formula (value() below); the loss is that of make_gradient_goldens.py. For every A and
B the norm of its gradient and some of its values, under PEFT's names. tests/models/lora_test.cpp compares.

With --check ADAPTER... it loads adapters that limpid wrote (directories) into the models that they name, by PEFT, merges
them there, and compares the logits with those of a merged model that limpid wrote: --check BASE ADAPTER MERGED.
Usage: make_lora_goldens.py   (needs torch, transformers and peft)"""
import json
import math
import os
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)

DATA = os.path.join(os.path.dirname(__file__), "..", "models", "data")
TOKENS, SAMPLES, RANK, ALPHA = 70, 12, 3, 4.5
TARGETS = {
    "llama3": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qwen2": ["q_proj", "v_proj", "down_proj"],
}


def weights(count):
    return [0.0 if i % 5 == 3 else 0.25 * (1 + i % 4) for i in range(count)]


def value(i, b):
    """Of entry i, row-major, of A, or of B."""
    return 0.05 * math.cos(0.61 * i + 0.4) if b else 0.2 * math.sin(0.37 * i + 1.0)


def load(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def gradients(name):
    directory = os.path.join(DATA, name)
    model = get_peft_model(load(directory), LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=TARGETS[name], bias="none"))
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            flat = [value(i, ".lora_B." in key) for i in range(parameter.numel())]
            parameter.data = torch.tensor(flat, dtype=torch.float64).float().reshape(parameter.shape)
    with open(os.path.join(directory, "golden.json")) as file:
        ids = json.load(file)["ids"][: TOKENS + 1]
    logits = model(torch.tensor([ids[:TOKENS]]), use_cache=False).logits[0]
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
    loss = (losses * torch.tensor(weights(TOKENS))).sum()
    loss.backward()
    parameters = {}
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            flat = parameter.grad.detach().double().flatten()
            at = [i * 7919 % len(flat) for i in range(min(SAMPLES, len(flat)))]
            parameters[key.replace(".default", "")] = {"norm": float(f"{flat.norm().item():.9g}"), "values": [float(f"{flat[i].item():.7g}") for i in at]}
    return {"ids": ids, "loss": loss.item(), "rank": RANK, "alpha": ALPHA, "parameters": parameters}


def check(base, adapter, merged):
    ids = torch.tensor([[i * 37 % 200 + 3 for i in range(60)]])
    with torch.no_grad():
        ours = load(merged)(ids).logits
        theirs = PeftModel.from_pretrained(load(base), adapter).eval()(ids).logits
        plain = load(base)(ids).logits
    spread, error, moved = theirs.std().item(), (ours - theirs).abs().max().item(), (plain - theirs).abs().max().item()
    print(f"{adapter}: by PEFT and merged by limpid: largest difference of logits {error:.3g}, their spread {spread:.3g}, the adapter moves them by {moved:.3g}")
    assert error < 1e-3 * spread and moved > 10 * error


if sys.argv[1:2] == ["--check"]:
    check(*sys.argv[2:5])
else:
    for wanted in TARGETS:
        result = gradients(wanted)
        path = os.path.join(DATA, wanted, "lora.json")
        with open(path, "w") as out:
            json.dump(result, out, separators=(",", ":"))
            out.write("\n")
        print(wanted, "loss", result["loss"], len(result["parameters"]), "parameters", os.path.getsize(path), "bytes")

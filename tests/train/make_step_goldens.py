#!/usr/bin/env python3
"""Ten steps of AdamW on whole tiny models of tests/models/data (llama, qwen2, deepseek_v3) by PyTorch through transformers, in f32: the
loss and the gradient's norm of every step, and some values of every parameter afterwards. tests/train/step_golden_test.cpp makes the same
steps with limpid's trainer. A step is two sequences with weights, some of them masked; the loss is the mean by weight; decay is on matrices;
the gradient is clipped by its norm; the experts' biases stay.
Usage: make_step_goldens.py   (needs torch and transformers)"""
import json
import os

import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)

HERE = os.path.dirname(__file__)
NAMES = ["llama3", "qwen2", "deepseek_v3"]
STEPS, ROWS, SEQUENCES, SAMPLES = 10, 24, 2, 6
SETTINGS = {"rate": 0.003, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "decay": 0.1, "clip": 1.0}


def parts_of(key, value):
    """transformers 5 stacks the experts; the files have them one by one."""
    if key.endswith("experts.gate_up_proj"):
        for expert, both in enumerate(value):
            gate, up = both.chunk(2, dim=0)
            yield key.replace("gate_up_proj", f"{expert}.gate_proj.weight"), gate
            yield key.replace("gate_up_proj", f"{expert}.up_proj.weight"), up
    elif key.endswith("experts.down_proj"):
        for expert, one in enumerate(value):
            yield key.replace("down_proj", f"{expert}.down_proj.weight"), one
    else:
        yield key, value


def run(name):
    model = AutoModelForCausalLM.from_pretrained(os.path.join(HERE, "..", "models", "data", name), dtype=torch.float32, attn_implementation="eager").train()
    parameters = dict(model.named_parameters())
    groups = [{"params": [p for p in parameters.values() if p.dim() > 1], "weight_decay": SETTINGS["decay"]},
              {"params": [p for p in parameters.values() if p.dim() < 2], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=SETTINGS["rate"], betas=(SETTINGS["beta1"], SETTINGS["beta2"]), eps=SETTINGS["epsilon"])
    generator = torch.Generator().manual_seed(7)
    weights = [0.0 if i % 5 == 3 else 0.25 * (1 + i % 4) for i in range(ROWS)]
    golden = {"settings": SETTINGS, "weights": weights, "ids": [], "losses": [], "norms": []}
    # The same few sequences come again, so that there is something to learn.
    corpus = torch.randint(3, model.config.vocab_size, (3, ROWS + 1), generator=generator)
    for step in range(STEPS):
        ids = corpus[[step % 3, (step + 1) % 3]]
        golden["ids"].append(ids.tolist())
        losses = torch.nn.functional.cross_entropy(model(ids[:, :-1], use_cache=False).logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        both = torch.tensor(weights * SEQUENCES)
        loss = (losses * both).sum() / both.sum()
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), SETTINGS["clip"])
        optimiser.step()
        golden["losses"].append(float(f"{loss.item():.9g}"))
        golden["norms"].append(float(f"{norm.item():.9g}"))
    golden["values"] = {}
    for key, parameter in parameters.items():
        for part, value in parts_of(key, parameter.detach()):
            flat = value.double().flatten()
            golden["values"][part] = [float(f"{flat[i * 7919 % len(flat)].item():.8g}") for i in range(min(SAMPLES, len(flat)))]
    return golden


path = os.path.join(HERE, "data", "step_goldens.json")
goldens = {name: run(name) for name in NAMES}
with open(path, "w") as out:
    json.dump(goldens, out, separators=(",", ":"))
    out.write("\n")
for name, golden in goldens.items():
    print(name, golden["losses"], [round(n, 3) for n in golden["norms"]])

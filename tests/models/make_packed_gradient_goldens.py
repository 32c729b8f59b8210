#!/usr/bin/env python3
"""Writes packed_gradients.json beside some tiny models of tests/models/data: what PyTorch's autograd gives through transformers' models, in double
precision, for two documents that do not see each other (tests/train/make_gradient_goldens.py: one sequence, more models).

The loss is the mean cross-entropy of all next tokens of both documents (DOCUMENTS of the model's golden ids). For the model with a layer of multi-token
prediction a second set is made whose loss has LAMBDA times the mean cross-entropy of the ids after the next one added, embedding and head shared with the
main model (DeepSeek-V3, section 2.2; the layer is the one of make_goldens.py).

Kept of each gradient: its Euclidean norm, its product with fixed pseudo-random numbers, and a few values. Experts and the heads of kv_b_proj are taken
apart as src/models/parameter_store.h names them.

Usage: make_packed_gradient_goldens.py DIRECTORY [--only NAME]      (torch, transformers 5, safetensors, numpy)"""
import argparse
import json
import pathlib

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from make_goldens import CLASSES, MODELS, Mtp, put

NAMES = ["llama3", "deepseek_v3", "deepseek_v2"]
DOCUMENTS = [[0, 70], [70, 210]]  # of golden.json's ids; the second is longer than a block of 128 positions
SAMPLES = 12
LAMBDA = 0.3


def build(config, tensors):
    arguments = {k: v for k, v in config.items() if k not in ("architectures", "quantization_config", "model_type", "num_nextn_predict_layers")}
    if config["model_type"] == "deepseek_v3":
        arguments["num_nextn_predict_layers"] = 0
    model = AutoModelForCausalLM.from_config(CLASSES[config["model_type"]](**arguments), dtype=torch.float32,
                                             attn_implementation="eager", experts_implementation="eager").eval()
    put(model, tensors)
    return model.double()


def parts(name, gradient, config):
    """The store's names of a parameter of transformers, with their gradients."""
    if name.endswith("experts.gate_up_proj"):
        for e, both in enumerate(gradient):
            for part, half in zip(("gate", "up"), both.chunk(2)):
                yield f"{name[:-len('gate_up_proj')]}{e}.{part}_proj.weight", half
    elif name.endswith("experts.down_proj"):
        for e, one in enumerate(gradient):
            yield f"{name[:-len('down_proj')]}{e}.down_proj.weight", one
    elif name.endswith("kv_b_proj.weight"):
        heads = gradient.view(config["num_attention_heads"], -1, config["kv_lora_rank"])
        for h, head in enumerate(heads):
            k, v = head.split([config["qk_nope_head_dim"], config["v_head_dim"]])
            yield f"{name}.k.{h}", k.T
            yield f"{name}.v.{h}", v
    else:
        yield name, gradient


def keep(name, gradient):
    g = gradient.detach().numpy().ravel()
    dice = (np.arange(g.size, dtype=np.uint64) * 2654435761 % 2**32) / 2.0**31 - 1
    at = [k * (g.size - 1) // (SAMPLES - 1) for k in range(SAMPLES)]
    return {"name": name, "size": g.size, "norm": float(np.sqrt((g * g).sum())), "projection": float((g * dice).sum()),
            "samples": [float(f"{g[i]:.9g}") for i in at]}


def losses(model, mtp, ids):
    """Sums over tokens, in the order main, multi-token prediction, and how many tokens they are of."""
    sums, counts, hidden = [0.0, 0.0], [0, 0], {}
    hook = model.model.norm.register_forward_hook(lambda _, inputs, output: hidden.update(x=output[0]))
    for begin, end in DOCUMENTS:
        text = ids[begin:end]
        logits = model(text[None], use_cache=False).logits[0]
        sums[0] += torch.nn.functional.cross_entropy(logits[:-1], text[1:], reduction="sum")
        counts[0] += len(text) - 1
        if mtp is not None:
            predicted = mtp.logits(hidden["x"][:-1], text[1:])
            sums[1] += torch.nn.functional.cross_entropy(predicted[:-1], text[2:], reduction="sum")
            counts[1] += len(text) - 2
    hook.remove()
    return sums, counts


def make(directory, config, with_mtp):
    tensors = load_file(directory / "model.safetensors")
    if config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    model, mtp = build(config, tensors), None
    ids = torch.tensor(json.loads((directory / "golden.json").read_text())["ids"])
    named = dict(model.named_parameters())
    if with_mtp:
        mtp = Mtp(tensors, config)
        bias = mtp.w.pop("mlp.gate.e_score_correction_bias")
        for value in mtp.w.values():
            value.requires_grad_()
        prefix = f"model.layers.{config['num_hidden_layers']}."
        named |= {prefix + k: v for k, v in mtp.w.items() if k not in ("embed_tokens.weight", "shared_head.head.weight")}
        mtp.w |= {"embed_tokens.weight": model.model.embed_tokens.weight, "shared_head.head.weight": model.lm_head.weight,
                  "mlp.gate.e_score_correction_bias": bias}
    sums, counts = losses(model, mtp, ids)
    loss = sums[0] / counts[0] + (LAMBDA * sums[1] / counts[1] if with_mtp else 0)
    loss.backward()
    kept = [keep(*part) for name, value in named.items() for part in parts(name, value.grad, config)]
    unused = [k["name"] for k in kept if k["norm"] == 0]
    assert all(".experts." in name for name in unused), unused  # an expert that nobody chose
    least = min(k["norm"] for k in kept if k["norm"] > 0)
    print(f"{directory.name}: loss {float(loss.detach()):.6f}, {len(kept)} gradients, {len(unused)} of unused experts, norms from {least:.2e} to "
          f"{max(k['norm'] for k in kept):.2e}", flush=True)
    return {"documents": DOCUMENTS, "loss": float(loss.detach()), "lambda": LAMBDA if with_mtp else 0, "gradients": sorted(kept, key=lambda k: k["name"])}


def write(path, golden):
    """A line for each gradient."""
    head = {k: v for k, v in golden.items() if k != "gradients"}
    lines = ",\n".join(json.dumps(g) for g in golden["gradients"])
    path.write_text(json.dumps(head)[:-1] + ', "gradients": [\n' + lines + "\n]}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--only", help="one model")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, (config, _, _) in MODELS.items():
        directory = arguments.directory / name
        if name not in NAMES or arguments.only not in (None, name):
            continue
        write(directory / "packed_gradients.json", make(directory, config, False))
        if config.get("num_nextn_predict_layers", 0) > 0:
            write(directory / "packed_mtp_gradients.json", make(directory, config, True))


if __name__ == "__main__":
    main()

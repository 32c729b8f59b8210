#!/usr/bin/env python3
"""Loads an adapter of `limpid sft` in PEFT itself and compares its logits with those of `limpid logits BASE+ADAPTER` in exact mode:
the largest difference by the spread of the logits is below 1e-4, no key of the adapter is left over, and the adapter changes something.

  python3 tests/train/check_peft.py LIMPID                   trains a tiny model and an adapter of it, and checks these
  python3 tests/train/check_peft.py LIMPID BASE ADAPTER      BASE: a directory of safetensors in F32, ADAPTER: a directory

BASE comes from `limpid export MODEL --to safetensors --type F32`: merged weights are rounded to BF16 where they were BF16, which PEFT does not do.
Needs torch, transformers and peft.
"""
import json, pathlib, subprocess, sys, tempfile, warnings
import numpy as np
import peft, torch, transformers

TEXTS = ["What is 347 + 895?", "3、7、8 怎样凑成 29？", "Tom is taller than Ann, Ann is taller than Bob. Who is second?"]
TINY = {"model": {"model_type": "llama", "hidden_size": 48, "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 3,
                  "num_key_value_heads": 1, "head_dim": 16, "rms_norm_eps": 1e-6, "max_position_embeddings": 256, "rope_theta": 300.0},
        "tokenizer": {"vocabulary": 400, "samples": 600}, "steps": 10, "batch_tokens": 512, "length": 96, "schedule": {"learning_rate": 0.005}}
ADAPTER = {"steps": 10, "batch_tokens": 512, "length": 96, "lora": {"rank": 4}, "schedule": {"learning_rate": 0.02}}


def made(limpid, folder):
    """A tiny model and an adapter of it."""
    for name, config, more in (("base", TINY, []), ("adapter", ADAPTER, ["--model", folder / "base"])):
        (folder / f"{name}.json").write_text(json.dumps(config))
        words = ["train" if name == "base" else "sft", folder / f"{name}.json", "--data", "addsub", "--out", folder / name, "-t", "1", *more]
        subprocess.run([limpid, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return str(folder / "base"), str(folder / "adapter")


limpid, *given = sys.argv[1:4]
place = tempfile.TemporaryDirectory()
base, adapter = given if given else made(limpid, pathlib.Path(place.name))
transformers.logging.set_verbosity_error()
warnings.filterwarnings("error", message=".*(missing|unexpected).*")  # PEFT warns of keys

model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
tokenizer = transformers.AutoTokenizer.from_pretrained(base)
ids = [tokenizer.encode(text, add_special_tokens=False) for text in TEXTS]


def logits():
    with torch.no_grad():
        return [model(torch.tensor([row])).logits[0].numpy() for row in ids]


alone = logits()
model = peft.PeftModel.from_pretrained(model, adapter)
with open(pathlib.Path(adapter) / "adapter_model.safetensors", "rb") as file:
    import safetensors.torch
    saved = set(safetensors.torch.load(file.read()))
loaded = {name.replace(".default", "") for name in dict(model.named_parameters()) if "lora_" in name}
assert saved == loaded, f"left over: {sorted(saved ^ loaded)[:4]}"
adapted = logits()

worst = change = 0.0
for row, before, expected in zip(ids, alone, adapted):
    with tempfile.TemporaryDirectory() as folder:
        out = folder + "/logits.npy"
        subprocess.run([limpid, "logits", f"{base}+{adapter}", "--ids", ",".join(map(str, row)), "-o", out, "--compute", "exact"], check=True,
                       stdout=subprocess.DEVNULL)
        found = np.load(out)
    worst = max(worst, float(np.abs(found - expected).max() / expected.std()))
    change = max(change, float(np.abs(before - expected).max() / expected.std()))
print(f"peft {peft.__version__}, transformers {transformers.__version__}: {len(saved)} matrices; largest difference {worst:.2e} of the spread (at most 1e-4); the adapter changes {change:.2f}")
sys.exit(not (worst < 1e-4 and change > 0.1))

#!/usr/bin/env python3
"""What the fast paths cost in quality: for each model, the logits of one text in fast and in exact mode (weights decoded to f32, activations and cache
in f32), as mean and largest KL divergence (nats) and top-1 agreement. Prints the table of docs/numerics.md. Needs numpy.
Usage: fast_vs_exact.py LIMPID TEXT MODEL..."""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

limpid, text, models = sys.argv[1], pathlib.Path(sys.argv[2]).read_bytes(), sys.argv[3:]


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


print("| model | tokens | mean KL | largest KL | top-1 agreement |\n|---|---|---|---|---|")
for model in models:
    ids = json.loads(subprocess.run([limpid, "tokenize", model], input=text, stdout=subprocess.PIPE, check=True).stdout)
    with tempfile.TemporaryDirectory() as folder:
        rows = {}
        for mode in ("exact", "fast"):
            out = f"{folder}/{mode}.npy"
            subprocess.run([limpid, "logits", model, "--ids", ",".join(map(str, ids)), "-o", out, "--compute", mode], check=True, stderr=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)
            rows[mode] = log_softmax(np.load(out))
    exact, fast = rows["exact"], rows["fast"]
    kl = (np.exp(exact) * (exact - fast)).sum(axis=-1)
    same = (exact.argmax(-1) == fast.argmax(-1)).mean()
    print(f"| {pathlib.Path(model).stem} | {len(ids)} | {kl.mean():.1e} | {kl.max():.1e} | {100 * same:.1f} % |", flush=True)

#!/usr/bin/env python3
"""Advantages and loss weights of GRPO by numpy, for tests/train/grpo_test.cpp: writes data/grpo_goldens.json.

    python make_grpo_goldens.py
"""
import json
import pathlib

import numpy as np

rng = np.random.default_rng(5)
cases = []
for size, kind in ((2, "binary"), (4, "binary"), (16, "binary"), (16, "mixed"), (7, "mixed")):
    if kind == "binary":
        rewards = rng.integers(0, 2, size).astype(np.float64)
        rewards[0], rewards[1] = 0.0, 1.0  # at least two values
    else:
        rewards = rng.choice([0.0, 0.2, 1.0, 1.2], size) + np.round(rng.random(size), 3)
    lengths = rng.integers(1, 60, size)
    mean = rewards - rewards.mean()
    cases.append({
        "rewards": rewards.tolist(),
        "lengths": lengths.tolist(),
        "centred": mean.tolist(),
        "normalised": (mean / (rewards.std() + 1e-6)).tolist(),
        # The gradient of the loss by the log-probability of each answer's tokens, on policy: -advantage times these.
        "token_share": (np.ones(size) / lengths.sum()).tolist(),
        "answer_share": (1.0 / lengths / size).tolist(),
    })
path = pathlib.Path(__file__).parent / "data" / "grpo_goldens.json"
path.write_text(json.dumps(cases, indent=1) + "\n")

#!/usr/bin/env python3
"""Log-probabilities, by PyTorch through transformers in f32, of answers that limpid's engine drew from tiny models of tests/models/data.
The ids are limpid's own: step_golden_test.cpp writes them (LIMPID_ROLLOUTS), and compares what the engine reports with what stands here.
Usage: make_rollout_goldens.py TEST_TRAIN   (build/tests/test_train; needs torch and transformers)"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent

with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], "--gtest_filter=*RolloutGoldens*"], check=True, env=os.environ | {"LIMPID_ROLLOUTS": folder}, stdout=subprocess.DEVNULL)
    goldens = {path.stem: json.loads(path.read_text()) for path in sorted(pathlib.Path(folder).glob("*.json"))}
for name, golden in goldens.items():
    model = AutoModelForCausalLM.from_pretrained(HERE.parent / "models" / "data" / name, dtype=torch.float32, attn_implementation="eager").eval()
    golden["temperature"] = round(golden["temperature"], 6)
    for line in golden["rollouts"]:
        ids = line["prompt"] + line["ids"]
        with torch.no_grad():
            logits = model(torch.tensor([ids[:-1]]), use_cache=False).logits[0, len(line["prompt"]) - 1:]
        logprobs = torch.log_softmax(logits.double() / golden["temperature"], dim=-1)
        line["logprobs"] = [float(f"{logprobs[i, token].item():.8g}") for i, token in enumerate(line["ids"])]
with open(HERE / "data" / "rollout_goldens.json", "w") as out:
    json.dump(goldens, out, separators=(",", ":"))
    out.write("\n")
print({name: len(golden["rollouts"]) for name, golden in goldens.items()})

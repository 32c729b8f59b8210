#!/usr/bin/env python3
"""Recomputes a logged rollout in PyTorch: every answer of step 1 in rollouts.jsonl (`limpid rl --log-rollouts`) by transformers, in f32, from
the model that the run began with; the largest difference of a log-probability stays below the tolerance.

  python3 tests/train/check_rollouts.py LIMPID                  trains tiny models of three kinds, reinforces them at temperature 0.7, checks
  python3 tests/train/check_rollouts.py LIMPID MODEL ROLLOUTS   a run's own: the directory that --model named, and DIR/rollouts.jsonl

Needs torch and transformers; ends with 77 where they are not there.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    import transformers
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

TOLERANCE = 1e-4
GROUPED = {"hidden_size": 48, "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 16,
           "rms_norm_eps": 1e-6, "max_position_embeddings": 256, "rope_theta": 300.0, "tie_word_embeddings": False}
MODELS = {"llama": GROUPED | {"model_type": "llama"}, "qwen2": GROUPED | {"model_type": "qwen2"},
          "deepseek_v3": {"model_type": "deepseek_v3", "hidden_size": 48, "num_hidden_layers": 2, "first_k_dense_replace": 1, "intermediate_size": 64,
                          "num_attention_heads": 2, "num_key_value_heads": 2, "qk_nope_head_dim": 16, "qk_rope_head_dim": 16, "v_head_dim": 16,
                          "q_lora_rank": 32, "kv_lora_rank": 32, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
                          "moe_intermediate_size": 32, "n_group": 1, "topk_group": 1, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
                          "norm_topk_prob": True, "routed_scaling_factor": 1.0, "rms_norm_eps": 1e-6, "rope_theta": 300.0,
                          "max_position_embeddings": 256, "tie_word_embeddings": False, "num_nextn_predict_layers": 0}}


def check(model, rollouts):
    network = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()
    worst, tokens, answers, other = 0.0, 0, 0, 0.0
    for line in map(json.loads, open(rollouts)):
        if line["step"] != 1:
            break
        ids = line["prompt"] + line["ids"]
        with torch.no_grad():
            logits = network(torch.tensor([ids[:-1]]), use_cache=False).logits[0, len(line["prompt"]) - 1:].double()
        at = torch.arange(len(line["ids"])), torch.tensor(line["ids"])
        reported = torch.tensor(line["logprobs"], dtype=torch.float64)
        worst = max(worst, (torch.log_softmax(logits / line["temperature"], -1)[at] - reported).abs().max().item())
        if line["temperature"] != 1:
            other = max(other, (torch.log_softmax(logits, -1)[at] - reported).abs().max().item())
        tokens, answers = tokens + len(line["ids"]), answers + 1
    assert answers > 0, f"{rollouts}: no answer of step 1"
    ok = worst < TOLERANCE
    print(f"{'ok  ' if ok else 'FAIL'} {model}: {answers} answers, {tokens} tokens: log-probabilities differ by {worst:.1e} at most (below {TOLERANCE:.0e}); "
          f"from those at temperature 1 by {other:.1e}", flush=True)
    return ok


def trained(limpid, kind, folder):
    train = {"model": MODELS[kind], "tokenizer": {"vocabulary": 400, "samples": 600}, "steps": 20, "batch_tokens": 512, "length": 96,
             "schedule": {"learning_rate": 0.005, "warmup_steps": 5}}
    rl = {"mix": "addsub", "grpo": {"steps": 2, "prompts": 4, "group": 4, "max_tokens": 24, "length": 128, "rows": 16, "temperature": 0.7,
                                    "skip_equal": False, "divergence": 0}, "samples": 0}
    for name, config in (("train.json", train), ("rl.json", rl)):
        (folder / name).write_text(json.dumps(config))
    for words in (["train", folder / "train.json", "--data", "addsub", "--out", folder / "base", "-t", "1"],
                  ["rl", folder / "rl.json", "--model", folder / "base", "--out", folder / "rl", "--log-rollouts", "-t", "1"]):
        done = subprocess.run([limpid, *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"limpid {words[0]}: {done.stderr}")
    return folder / "base", folder / "rl" / "rollouts.jsonl"


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    if len(sys.argv) == 4:
        sys.exit(0 if check(sys.argv[2], sys.argv[3]) else 1)
    good = True
    for kind in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            good = check(*trained(sys.argv[1], kind, pathlib.Path(folder))) and good
    sys.exit(0 if good else 1)


main()

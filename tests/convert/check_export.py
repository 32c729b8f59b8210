#!/usr/bin/env python3
"""Compares what `limpid export` writes with transformers and llama.cpp.

  python3 tests/convert/check_export.py LIMPID [--out DIR] [--model DIR ...]

Trains tiny models of the three kinds (and takes those named), exports each as safetensors and GGUF in every type and
from GGUF back to safetensors, and compares with limpid's own logits (exact mode) of the model that was exported:
  - transformers on the safetensors in F32: the largest difference by the spread of the logits is below 1e-5, no
    parameter is missing, and what is left over belongs to the layer of multi-token prediction;
  - llama.cpp, with a cache in F32, on the GGUF in F32: below 1e-5; in BF16, F16 and Q8_0, where both round activations
    in their own way and a chosen expert may flip, the root mean square of the differences stays below a tenth;
  - both formats read by limpid again: equal bits, but for the llama kind from one format to the other, whose rows of q
    and k are in another order (a sum in another order): below 1e-5; there and back again gives equal bits;
  - ids: Hugging Face's tokenizers, transformers and llama.cpp on both languages; the chat template as transformers renders it.

Needs torch, transformers and tokenizers; llama.cpp is left out, and that is said, where llama-cpp-python is not there.
"""
import argparse, json, os, subprocess, sys, tempfile
import numpy as np

TEXTS = ["What is 347 + 895?", "3、7、8 怎样凑成 29？", "Tom is taller than Ann, Ann is taller than Bob. Who is second?",
         "  Two  spaces\n\nand 12345 digits; <no mark>", "小明比小红高。"]
LATENT = {"model_type": "deepseek_v3", "hidden_size": 64, "num_hidden_layers": 3, "first_k_dense_replace": 1, "intermediate_size": 96,
          "num_attention_heads": 2, "num_key_value_heads": 2, "qk_nope_head_dim": 16, "qk_rope_head_dim": 32, "v_head_dim": 32, "q_lora_rank": 32,
          "kv_lora_rank": 32, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_group": 1,
          "topk_group": 1, "scoring_func": "sigmoid", "topk_method": "noaux_tc", "norm_topk_prob": True, "routed_scaling_factor": 1.0,
          "hidden_act": "silu", "rms_norm_eps": 1e-06, "rope_theta": 300.0, "max_position_embeddings": 256, "tie_word_embeddings": False,
          "num_nextn_predict_layers": 1}
GROUPED = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2,
           "hidden_act": "silu", "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "max_position_embeddings": 256, "tie_word_embeddings": True}
MODELS = {"deepseek_v3": LATENT,
          "deepseek_v3_groups": LATENT | {"q_lora_rank": None, "n_routed_experts": 8, "n_group": 4, "topk_group": 2, "routed_scaling_factor": 2.5,
                                          "num_nextn_predict_layers": 0, "tie_word_embeddings": True,
                                          "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "beta_fast": 32,
                                                           "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0}},
          "llama": GROUPED | {"model_type": "llama"},
          "llama3": GROUPED | {"model_type": "llama", "head_dim": 32, "tie_word_embeddings": False, "rope_theta": 500000.0,
                               "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                                "original_max_position_embeddings": 8192}},
          "qwen2": GROUPED | {"model_type": "qwen2"}}


class Check:
    def __init__(self, limpid):
        self.limpid, self.failures = limpid, 0

    def run(self, *words, text=None):
        done = subprocess.run([self.limpid, *map(str, words)], input=text, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"limpid {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def say(self, what, value, bound):
        ok = value <= bound
        self.failures += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {what}: {value:.2e} (at most {bound:.0e})", flush=True)

    def equal(self, what, a, b):
        self.say(what, 0.0 if a == b else 1.0, 0.0)
        if a != b:
            print("   ", str(a)[:300], "\n   ", str(b)[:300])

    def logits(self, model, ids, folder):
        path = os.path.join(folder, "logits.npy")
        self.run("logits", model, "--ids", ",".join(map(str, ids)), "-o", path, "--compute", "exact")
        return np.load(path)


def train(check, name, model, folder):
    config = {"model": model, "tokenizer": {"vocabulary": 640, "samples": 2000}, "steps": 30, "batch_tokens": 512, "length": 128,
              "initial_deviation": 0.15, "schedule": {"learning_rate": 0.003, "balance_speed": 0.01}}
    path = os.path.join(folder, name + ".json")
    json.dump(config, open(path, "w"))
    out = os.path.join(folder, name)
    check.run("train", path, "--data", "mix", "--out", out, "-t", 1)
    return out


def spread(a, b):
    return float(np.abs(a - b).max() / a.std())


def rms(a, b):
    return float(np.sqrt(np.square(a - b).mean()) / a.std())


def by_transformers(check, name, folder, ids, expected):
    import torch, transformers
    transformers.logging.set_verbosity_error()
    model, loaded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    mtp = f"model.layers.{model.config.num_hidden_layers}."
    check.equal(f"{name}: transformers misses no parameter", sorted(loaded["missing_keys"]), [])
    check.equal(f"{name}: leftovers are the MTP layer's", [k for k in loaded["unexpected_keys"] if not k.startswith(mtp)], [])
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].numpy()
    check.say(f"{name}: transformers ({type(model).__name__})", spread(expected, logits), 1e-5)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}, {"role": "user", "content": "再来一个"}]
    ours = check.run("render", folder, text=json.dumps({"messages": turns, "add_generation_prompt": True}))
    check.equal(f"{name}: chat template", tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True), ours)
    for text in TEXTS:
        check.equal(f"{name}: transformers' ids of {text[:12]!r}", tokenizer.encode(text, add_special_tokens=False), ids_of(check, folder, text))


def ids_of(check, model, text):
    return json.loads(check.run("tokenize", model, text=text))


def open_llama_cpp(path):
    import llama_cpp
    defaults = llama_cpp.llama_cpp.llama_model_default_params

    def plain():  # llama.cpp 0.3.36's buffers for AMX abort on F16 latent attention, whoever wrote the file
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters
    llama_cpp.llama_cpp.llama_model_default_params = plain
    try:
        return llama_cpp.Llama(path, n_ctx=256, logits_all=True, verbose=False, n_threads=1, n_threads_batch=1, type_k=0, type_v=0)
    finally:
        llama_cpp.llama_cpp.llama_model_default_params = defaults


def by_llama_cpp(check, name, path, ids, expected, source, distance, bound):
    try:
        llama = open_llama_cpp(path)
    except ImportError:
        print(f"--   {name}: llama.cpp: not compared, llama-cpp-python is not there", flush=True)
        return
    llama.eval(ids)
    logits = np.array(llama.scores[:len(ids)])[:, :expected.shape[1]]
    check.say(f"{name}: llama.cpp", distance(expected, logits), bound)
    for text in TEXTS:
        check.equal(f"{name}: llama.cpp's ids of {text[:12]!r}", llama.tokenize(text.encode(), add_bos=False, special=False), ids_of(check, source, text))
    llama.close()


def check_model(check, name, source, folder):
    kind = json.load(open(os.path.join(source, "config.json")))["model_type"]
    ids = [0] + [i for text in TEXTS[:3] for i in ids_of(check, source, text)]
    expected = check.logits(source, ids, folder)
    out = lambda suffix: os.path.join(folder, f"{name}-{suffix}")
    check.run("export", source, out("st"), "--to", "safetensors", "--type", "F32")
    check.run("export", source, out("f32.gguf"), "--to", "gguf", "--type", "F32")
    check.run("export", out("f32.gguf"), out("back"), "--to", "safetensors")
    check.run("export", out("back"), out("again.gguf"), "--to", "gguf")
    by_transformers(check, name, out("st"), ids, expected)
    by_transformers(check, name + " from GGUF", out("back"), ids, expected)
    by_llama_cpp(check, name, out("f32.gguf"), ids, expected, source, spread, 1e-5)
    gguf = check.logits(out("f32.gguf"), ids, folder)
    check.equal(f"{name}: safetensors again", check.logits(out("st"), ids, folder).tobytes(), expected.tobytes())
    check.equal(f"{name}: there and back", check.logits(out("back"), ids, folder).tobytes(), expected.tobytes())
    check.say(f"{name}: GGUF", spread(expected, gguf), 1e-5 if kind == "llama" or "groups" in name else 0.0)
    check.equal(f"{name}: GGUF twice", check.logits(out("again.gguf"), ids, folder).tobytes(), gguf.tobytes())
    for kind_of_type in ("BF16", "F16", "Q8_0"):
        path = out(kind_of_type + ".gguf")
        check.run("export", source, path, "--to", "gguf", "--type", kind_of_type)
        own = check.logits(path, ids, folder)
        check.say(f"{name}: {kind_of_type} against F32", rms(expected, own), 0.1)
        by_llama_cpp(check, f"{name} in {kind_of_type}", path, ids, own, source, rms, 0.1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("limpid")
    parser.add_argument("--out")
    parser.add_argument("--model", action="append", default=[])
    arguments = parser.parse_args()
    check = Check(os.path.abspath(arguments.limpid))
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or temporary
        for name, model in MODELS.items():
            check_model(check, name, train(check, name, model, folder), folder)
        for path in arguments.model:
            check_model(check, os.path.basename(os.path.normpath(path)), path, folder)
    print(f"{check.failures} failures")
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(main())

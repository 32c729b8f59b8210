#!/usr/bin/env python3
"""Makes data/tokenizer_goldens.json with Hugging Face's tokenizers and transformers: trains a tokenizer with limpid, reads its files with
theirs, and writes down what they make of texts and conversations. With --check SEED it compares on fresh texts instead and writes nothing.
Usage: make_tokenizer_goldens.py LIMPID [--check SEED]        (needs: pip install tokenizers transformers jinja2)"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer
from transformers import AutoTokenizer

HARD = ["", " ", "\n", "\n\n", " \n \n", "   x", "347+895=", "1234567890", "3.14", "1,000,000", "３４７", "①②③", "Ⅻ½²", "٣٤٥", "a1b2", "1a=0,2b=1", "8no-3",
        "don't", "I'll", "naïve café", "Ünïcödé", "é", "🙂🙃", "日本語テスト", "カタカナ", "한국어", "、。？！", "加x百3十4个7y", "小明比小红高", "鬱龘", "x>y: ones1",
        "(3+7)*8", "))((", "=!=", "<think>", "</think>\n\n42", "<think>\n\n</think>\n\n7", "<｜User｜>hi<｜Assistant｜>", "<｜fim▁hole｜>", "<|User|>",
        "\u200b\u00a0\u3000", "tab\tand\r\nreturn", "def f(x): return x**2", "#include <a>", "A.B.C", "HELLO World", "\x00\x01", "ones tens hundreds"]


def samples(limpid, n, seed):
    out = subprocess.run([limpid, "data", "mix", "-n", str(n), "--seed", str(seed), "--split", "any", "--json"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def main():
    limpid = sys.argv[1]
    check = int(sys.argv[3]) if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([limpid, "data", "mix", "-n", "4000", "--seed", "7", "--tokenizer", directory, "--vocabulary", "800"], check=True, stdout=subprocess.DEVNULL)
        theirs = Tokenizer.from_file(directory + "/tokenizer.json")
        if check is not None:
            texts = [s[k] for s in samples(limpid, 2000, check) for k in ("prompt", "completion")]
            pool, rng = "".join(HARD) + "".join(texts[:200]), random.Random(check)
            texts += ["".join(rng.choice(pool) for _ in range(rng.randint(1, 60))).replace("\x00", "") for _ in range(300)]
            different = 0
            for text in texts:
                ours = json.loads(subprocess.run([limpid, "tokenize", directory, "--special"], input=text.encode(), check=True, capture_output=True).stdout)
                different += ours != theirs.encode(text, add_special_tokens=False).ids
            print(f"{len(texts)} texts, {different} different")
            sys.exit(1 if different else 0)
        texts = HARD + [s[k] for s in samples(limpid, 60, 99) for k in ("prompt", "completion")]
        transformers = AutoTokenizer.from_pretrained(directory)
        assert (transformers.bos_token_id, transformers.eos_token_id, transformers.pad_token_id, len(transformers)) == (0, 1, 2, 800)
        user = {"role": "user", "content": "3、7、8 怎样凑成 29？"}
        reply = {"role": "assistant", "content": "<think>\nmake 29\n</think>\n\n3*7+8"}
        conversations = []
        for messages in ([user], [{"role": "system", "content": "Be brief."}, user], [user, reply, {"role": "user", "content": "And 5+5?"}]):
            for thinking in (None, True, False):
                given = {} if thinking is None else {"enable_thinking": thinking}
                text = transformers.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **given)
                conversations.append({"messages": messages, "enable_thinking": thinking, "text": text})
        golden = {"texts": [{"text": t, "ids": theirs.encode(t, add_special_tokens=False).ids} for t in texts], "conversations": conversations}
    path = pathlib.Path(__file__).parent / "data" / "tokenizer_goldens.json"
    path.parent.mkdir(exist_ok=True)
    lines = [json.dumps(t, ensure_ascii=False) for t in golden["texts"]]
    path.write_text('{"texts": [\n' + ",\n".join(lines) + '\n],\n"conversations": ' + json.dumps(conversations, ensure_ascii=False, indent=0) + "}\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()

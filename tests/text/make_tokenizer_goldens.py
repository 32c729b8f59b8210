#!/usr/bin/env python3
"""Makes tests/text/data/tokenizer/*.json with Hugging Face `tokenizers` (0.23).

    tests/text/make_tokenizer_goldens.py

For each splitting rule: NAME.json, a tokenizer.json with the published pipeline and a vocabulary of a few hundred tokens, trained here;
and in goldens.json, for each hard text, the lengths (bytes) of its pieces, its ids, and a hash over the pieces of a long pseudo-random
text that holds every code point, so that the whole of the character tables is covered.
"""
import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers as pre, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "data", "tokenizer")
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KIMI_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
KIMI_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
KIMI = "|".join([
    r"[\p{Han}]+",
    r"[^\r\n\p{L}\p{N}]?" + KIMI_UPPER + "*" + KIMI_LOWER + "+" + CONTRACTIONS + "?",
    r"[^\r\n\p{L}\p{N}]?" + KIMI_UPPER + "+" + KIMI_LOWER + "*" + CONTRACTIONS + "?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
V3 = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
LLM_LETTERS = (
    "\\s?["
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481"
    "\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b"
    "\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b"
    "\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df"
    "\U0001e900-\U0001e943"
    "]+")
LLM_SYMBOLS = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"


def split(pattern):
    return pre.Split(Regex(pattern), "isolated")


def bytes_only():
    return pre.ByteLevel(add_prefix_space=False, use_regex=False)


def gpt2():
    return pre.ByteLevel(add_prefix_space=False, use_regex=True)


RULES = {
    "gpt-2": [gpt2()],
    "smollm": [pre.Digits(individual_digits=True), gpt2()],
    "llama-bpe": [split(WORDS % "{1,3}"), bytes_only()],
    "qwen2": [split(WORDS % ""), bytes_only()],
    "kimi-k2": [split(KIMI), bytes_only()],
    "deepseek-v3": [split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(V3), bytes_only()],
    "deepseek-llm": [split("[\r\n]"), split(LLM_LETTERS), split(LLM_SYMBOLS), split(r"\s+$"), split(CJK),
                     pre.Digits(individual_digits=True), bytes_only()],
    "deepseek-coder": [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CJK),
                       pre.Digits(individual_digits=True), bytes_only()],
}

CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's what we've seen, they're sure we'll go; I'd say I'm in.",
    "int main(int argc, char** argv) {\n    for (int i = 0; i < 100; ++i) {\n\t\treturn i;\n    }\n}\n",
    "中文的分词和英文不同。我们今天去北京，明天回上海。深度学习模型很大。", "日本語のテキストです。カタカナとひらがな。",
    "한국어 문장은 띄어쓰기를 합니다.", "Der Fluß fließt über Köln, ça va très bien, señor. Привет, как дела?",
    "مرحبا بالعالم كيف حالك", "नमस्ते दुनिया यह हिन्दी है", "def f(x):\r\n    return x ** 2 + 10 * x - 12345\r\n", "hello hello world world the the",
]

TEXTS = [
    "", " ", "a", "Hello world", "  two  spaces   three    ", "it's IT'S we'Ll 'tis 'ſ don’t I'dx 'RE'Ve", "tab\tand\nnew\r\nline\n\n\nthree\n \n  x",
    "1 12 123 1234 12345 ٣٤٥٦ ４５６ ½ Ⅷ ²³", "x" * 70, "ab" * 90, " " * 67 + "x", "\n" * 9 + " ", "9" * 41, "\u3000\u3000全角\u3000 x\u2003y\u00a0z\u0085w",
    "中文和English混排，没问题！２０２４年", "日本語のテスト。カタカナ・ひらがな゛ｶﾀｶﾅ", "한국어 테스트입니다 ᄒᆞᆫ글 ㅋㅋㅋ", "مرحبًا بالعالم ١٢٣، كيف؟", "नमस्ते दुनिया १२३ क्षत्रिय",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ☺️ e\u0301 a\u0308\u0323 Å ﬁ \u1100\u1161\u11a8", "def f(a, b):\n\treturn a[0]!=b->c && x::y /* z */ #!/bin/sh\r\n    }\n", "a\u0000b\u0000\u0000 \u0000c \u200b\ufeff\ue000 x\u0007",
    "<|im_start|>user <s> </s> [INST] <｜User｜> <think>", "CamelCase HTTPServer ǅabc ªº oneTWOthree ABCdefGHI ʰABC ΑΒΓαβγ ДомАшний", "...!!!???\n\n--== _a_ .NET ,then ;\r\nC++ @user #tag",
    "\U00010400\U00010428 \U0001D7D8\U0001D7D9 \u20ac$£ +-=<>|~^ ©®™", "漢字かな漢字カナ a漢b 漢'd ʼn漢", "  \n  \r\n\t\t x \t\n", "a  b   c\t\td \u1680 e", "é\u0301\u0301 \u0301 \u0301a 1\u0301 -\u0301-",
]


# Bytes that are no UTF-8, between others: truncated, overlong, surrogates, too high, lone continuations.
INVALID = [bytes.fromhex(h) for h in (
    "61c3 80 e282 f09f98 f09f9880 ff fe c0af e080af ed a0 80 eda080 f08080af f4908080 f5808080 80bf c3 e2 28a1 e28228 f0288cbc f09028bc f09f9828 c3a9 e4b8ad c2".replace(" ", ""),
    "c3", "e4b8", "f09f92", "e4b8e4b8ad", "f09ff09f9880", "edbfbfee8080", "f48fbfbff4908080", "00c300", "c2c2a0", "e0a0", "e09fbf", "f0908080f08fbfbf")]


def lcg(seed):
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        yield seed >> 33


def long_text():
    """Every code point once, in order, each behind 0 to 3 characters drawn from a few kinds; tokenizer_test.cpp makes the same."""
    rnd, out = lcg(1), []
    kinds = "aB1 \n'.é中\u0301"
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        for _ in range(next(rnd) % 4):
            out.append(kinds[next(rnd) % len(kinds)])
        out.append(chr(c))
    return "".join(out)


def utf8_lengths(text, pieces):
    return [len(text[a:b].encode()) for a, b in pieces]


def piece_hash(lengths):
    h = 0xCBF29CE484222325
    for n in lengths:
        h = ((h ^ n) * 0x100000001B3) % (1 << 64)
    return f"{h:016x}"


def pieces_of(pipeline, text):
    """Byte lengths of the pieces. The pieces are joined text in the byte alphabet: one character a byte."""
    return [len(piece) for piece, _ in pipeline.pre_tokenize_str(text)]


def byte_hash(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) % (1 << 64)
    return f"{h:016x}"


# Patterns without a scanner of their own, and every behaviour.
PATTERNS = [(pattern, literal, behavior, invert)
            for pattern, literal in [(r"\d+|[aeiou]", False), (" ", True), (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}]*\p{Ll}+|\p{N}{1,2}|\s+", False),
                                     (r"(?=\p{Lu})", False), (r"^\w+$", False)]
            for behavior in ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"] for invert in [False, True]]


def pattern_goldens():
    out = []
    for pattern, literal, behavior, invert in PATTERNS:
        step = pre.Split(pattern if literal else Regex(pattern), behavior, invert=invert)
        pieces = [[len(p.encode()) for p, _ in step.pre_tokenize_str(t)] for t in TEXTS]
        out.append({"pattern": pattern, "literal": literal, "behavior": behavior, "invert": invert, "pieces": pieces})
    for behavior in ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]:
        step = pre.Punctuation(behavior)
        out.append({"punctuation": True, "behavior": behavior, "pieces": [[len(p.encode()) for p, _ in step.pre_tokenize_str(t)] for t in TEXTS]})
    return out


def marks_text():
    """Letters under piles of combining marks, Hangul letters, compatibility characters: what normalization reorders and composes."""
    rnd, out = lcg(7), []
    ranges = [(0x41, 0x7B), (0xC0, 0x180), (0x300, 0x370), (0x300, 0x370), (0x591, 0x5C8), (0x610, 0x660), (0x900, 0x980), (0xF71, 0xF85), (0x1100, 0x1200),
              (0xAC00, 0xD7A4), (0x1E00, 0x2000), (0x3040, 0x3100), (0xF900, 0xFB50), (0xFF00, 0xFFF0), (0x1D15E, 0x1D1C1), (0x11080, 0x11130), (0x2F800, 0x2FA1E)]
    for _ in range(200000):
        a, b = ranges[next(rnd) % len(ranges)]
        out.append(chr(a + next(rnd) % (b - a)))
    return "".join(out)


def normalization_goldens():
    out = {}
    for form in ["NFC", "NFD", "NFKC", "NFKD"]:
        run = getattr(normalizers, form)().normalize_str
        out[form] = [byte_hash(run(marks_text()).encode()), byte_hash(run(long_text()).encode())]
    return out


def sentencepiece(name):
    """Characters, byte fallback and U+2581: as Llama 2 has it, and with Metaspace as its later conversions have it."""
    marker = "\u2581"
    words = [w for line in CORPUS for w in line.split()]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if name == "llama2":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(marker), normalizers.Replace(" ", marker)])
        tokenizer.decoder = decoders.Sequence([decoders.Replace(marker, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    else:
        tokenizer.pre_tokenizer = pre.Metaspace(replacement=marker, prepend_scheme="first", split=True)
        tokenizer.decoder = decoders.Metaspace(replacement=marker, prepend_scheme="first", split=True)
    trainer = trainers.BpeTrainer(vocab_size=256 + 3 + 320, limit_alphabet=120, show_progress=False,
                                  special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)])
    tokenizer.train_from_iterator([" ".join(words)] + words, trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [a for a in data["added_tokens"] if a["id"] < 3]
    return data


def train(name, steps):
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama-bpe"))
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=256 + 160, initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken("<s>", special=True), AddedToken("<|im_start|>", special=True, lstrip=name == "gpt-2", rstrip=name == "gpt-2")])
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("ﬁ", normalized=False), AddedToken("中文", normalized=name == "qwen2"),
                          AddedToken("HTTP", single_word=name == "gpt-2", normalized=False)])
    return tokenizer


def main():
    os.makedirs(OUT, exist_ok=True)
    text = long_text()
    goldens = {"texts": TEXTS, "rules": {}}
    for name, steps in RULES.items():
        tokenizer = train(name, steps)
        data = json.loads(tokenizer.to_str())
        with open(os.path.join(OUT, name + ".json"), "w") as f:
            json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")
        pipeline = pre.Sequence(steps)
        goldens["rules"][name] = {
            "hash": piece_hash(pieces_of(pipeline, text)),
            "pieces": [pieces_of(pipeline, t) for t in TEXTS],
            "special": [tokenizer.encode(t, add_special_tokens=False).ids for t in TEXTS],
            "plain": plain_ids(data, TEXTS),
        }
    goldens["patterns"] = pattern_goldens()
    goldens["normalization"] = normalization_goldens()
    goldens["sentencepiece"] = {}
    for name in ["llama2", "metaspace"]:
        data = sentencepiece(name)
        with open(os.path.join(OUT, name + ".json"), "w") as f:
            json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")
        tokenizer = Tokenizer.from_str(json.dumps(data))
        ids = [tokenizer.encode(t, add_special_tokens=False).ids for t in TEXTS]
        goldens["sentencepiece"][name] = {"special": ids, "plain": plain_ids(data, TEXTS),
                                          "decoded": [tokenizer.decode(i, skip_special_tokens=False) for i in ids]}
    goldens["invalid"] = [[raw.hex(), raw.decode("utf-8", "replace")] for raw in INVALID]
    with open(os.path.join(OUT, "goldens.json"), "w") as f:
        json.dump(goldens, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


def plain_ids(data, texts):
    """Control tokens as text: what is special or looks like a marker."""
    data = json.loads(json.dumps(data))
    for token in data["added_tokens"]:
        token["special"] |= token["content"].startswith("<")
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.encode_special_tokens = True
    return [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]


if __name__ == "__main__":
    main()

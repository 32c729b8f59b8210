#!/usr/bin/env python3
"""Generates src/text/unicode_tables.cpp from the Unicode Character Database.

    tools/make_unicode_tables.py > src/text/unicode_tables.cpp

Needs the PyPI package unicodedata2==16.0.0 (pip install --target DIR, PYTHONPATH=DIR) and perl (for the Age property).

Several versions of Unicode are in use, because the tokenizers that the models were trained with are to be met id by id:
- categories are Unicode 16.0: what the regular expression engine (Oniguruma) of Hugging Face `tokenizers` 0.23 holds;
- normalization is limited to characters of Unicode 9.0: its normalizer knows no later ones, so a later combining mark is
  neither reordered nor composed. For characters that both know the forms are equal, by Unicode's stability policy;
- Digits counts what Rust's char::is_numeric counts (Unicode 17): the categories N of 16.0 and the 13 numbers added since.
"""
import subprocess
import sys

import unicodedata2 as ucd

assert ucd.unidata_version == "16.0.0", ucd.unidata_version
ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

# Script=Han, Scripts.txt of Unicode 16.0 (the package holds no scripts).
HAN = [(0x2E80, 0x2E99), (0x2E9B, 0x2EF3), (0x2F00, 0x2FD5), (0x3005, 0x3005), (0x3007, 0x3007), (0x3021, 0x3029),
       (0x3038, 0x303B), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFA6D), (0xFA70, 0xFAD9), (0x16FE2, 0x16FE3),
       (0x16FF0, 0x16FF1), (0x20000, 0x2A6DF), (0x2A700, 0x2B739), (0x2B740, 0x2B81D), (0x2B820, 0x2CEA1),
       (0x2CEB0, 0x2EBE0), (0x2EBF0, 0x2EE5D), (0x2F800, 0x2FA1D), (0x30000, 0x3134A), (0x31350, 0x323AF)]
WHITE_SPACE = [(0x9, 0xD), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
               (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)]
NUMBERS_OF_UNICODE_17 = [(0x11DE0, 0x11DE9), (0x16FF4, 0x16FF6)]
# The letters that the splitting rule of DeepSeek-LLM spells out (its tokenizer.json, second Split).
DEEPSEEK_LLM = (
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
    "\U0001e900-\U0001e943")


def members(ranges):
    return {c for a, b in ranges for c in range(a, b + 1)}


def class_members(text):
    out, i = set(), 0
    while i < len(text):
        if i + 2 < len(text) and text[i + 1] == "-":
            out |= members([(ord(text[i]), ord(text[i + 2]))])
            i += 3
        else:
            out.add(ord(text[i]))
            i += 1
    return out


def present_in_9():
    code = "for (0..0x10FFFF) { next if $_ >= 0xD800 && $_ < 0xE000; print \"$_\\n\" if chr($_) =~ /\\p{Present_In: 9.0}/ }"
    return {int(line) for line in subprocess.run(["perl", "-e", code], capture_output=True, text=True, check=True).stdout.split()}


def flags():
    """The bits of CharClass in unicode.h, in its order."""
    han, space, digit = members(HAN), members(WHITE_SPACE), members(NUMBERS_OF_UNICODE_17)
    spelled = class_members(DEEPSEEK_LLM)
    # Alphabetic symbols and the joiners, which \w of Rust's regular expressions counts too.
    other_word = members([(0x200C, 0x200D), (0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)])
    out = [0] * 0x110000
    for c in ALL:
        cat = ucd.category(chr(c))
        bits = ["L", "N", "P", "S", "M"].index(cat[0]) if cat[0] in "LNPSM" else None
        v = 0 if bits is None else 1 << bits
        v |= (c in space) << 5
        v |= (c in han) << 6
        v |= (cat in ("Lu", "Lt", "Lm", "Lo") or cat[0] == "M") << 7
        v |= (cat in ("Ll", "Lm", "Lo") or cat[0] == "M") << 8
        v |= (cat[0] == "N" or c in digit) << 9
        v |= (c in spelled) << 10
        v |= (cat[0] in "LM" or cat == "Nd" or cat == "Pc" or cat == "Nl" or c in other_word) << 11
        out[c] = v
    return out


def normalization():
    known = present_in_9()
    canonical, compat, ccc, composed = {}, {}, {}, {}
    for c in sorted(known):
        ch = chr(c)
        if ucd.combining(ch):
            ccc[c] = ucd.combining(ch)
        if 0xAC00 <= c < 0xD7A4:
            continue  # Hangul is computed
        if ucd.normalize("NFD", ch) != ch:
            canonical[c] = [ord(x) for x in ucd.normalize("NFD", ch)]
        if ucd.normalize("NFKD", ch) != ucd.normalize("NFD", ch):
            compat[c] = [ord(x) for x in ucd.normalize("NFKD", ch)]
        parts = ucd.decomposition(ch).split()
        if len(parts) == 2 and not parts[0].startswith("<") and ucd.normalize("NFC", ch) == ch:
            composed[(int(parts[0], 16), int(parts[1], 16))] = c
    seconds = {b for _, b in composed} | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    out = [0] * 0x110000
    for c in ALL:
        not_nfc = c in canonical and ucd.normalize("NFC", chr(c)) != chr(c)
        out[c] = ccc.get(c, 0) | (not_nfc or c in seconds) << 8 | (c in canonical) << 9 | (c in compat) << 10
    return out, canonical, compat, composed


def two_stage(values):
    blocks, index, stage1 = [], {}, []
    for start in range(0, 0x110000, 256):
        block = tuple(values[start:start + 256])
        if block not in index:
            index[block] = len(blocks)
            blocks.append(block)
        stage1.append(index[block])
    return stage1, [v for b in blocks for v in b]


def emit(type_name, name, values):
    print(f"const {type_name} {name}[{len(values)}] = {{")
    line = "   "
    for v in values:
        item = f" {v},"
        if len(line) + len(item) > 118:
            print(line)
            line = "   "
        line += item
    print(line + "\n};\n")


def emit_decompositions(name, table):
    pool, keys, starts = [], [], []
    for c, seq in sorted(table.items()):
        keys.append(c)
        starts.append(len(pool))
        pool += seq
    starts.append(len(pool))
    emit("char32_t", f"{name}_key", keys)
    emit("std::uint16_t", f"{name}_start", starts)
    emit("char32_t", f"{name}_pool", pool)
    return len(keys)


def main():
    print("// Generated by tools/make_unicode_tables.py from the Unicode Character Database (16.0; normalization: the part of it that")
    print("// Unicode 9.0 holds). Do not edit. Unicode data files: Copyright 1991-2024 Unicode, Inc., Unicode License v3.")
    print('#include "text/unicode_tables.h"\n\nnamespace limpid::unicode_tables {\n')
    stage1, stage2 = two_stage(flags())
    emit("std::uint8_t", "class_stage1", stage1)
    emit("std::uint16_t", "class_stage2", stage2)
    values, canonical, compat, composed = normalization()
    stage1, stage2 = two_stage(values)
    emit("std::uint8_t", "norm_stage1", stage1)
    emit("std::uint16_t", "norm_stage2", stage2)
    emit_decompositions("canonical", canonical)
    emit_decompositions("compat", compat)
    pairs = sorted(composed.items())
    emit("std::uint64_t", "compose_key", [f"{(a << 32 | b):#x}" for (a, b), _ in pairs])
    emit("char32_t", "compose_value", [c for _, c in pairs])
    print(f"const std::size_t canonical_count = {len(canonical)};\nconst std::size_t compat_count = {len(compat)};")
    print(f"const std::size_t compose_count = {len(pairs)};\n\n}}  // namespace limpid::unicode_tables")


if __name__ == "__main__":
    sys.exit(main())

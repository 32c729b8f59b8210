#!/usr/bin/env python3
"""Counts the right answers of `limpid eval --answers FILE` leniently: for models that answer in sentences.

    bench/lenient_answers.py FILE.jsonl

The rule of `limpid eval` wants the answer alone. Here the last number of the reply counts where the answer is a number, and
else the last of the words that could be the answer: odd and even, or the names that the prompt has. By family and language.
"""
import collections
import json
import re
import sys

PARITY = {"odd": "odd", "even": "even", "奇数": "odd", "偶数": "even"}
CHINESE_NAMES = ["小明", "小红", "小刚", "小丽", "小强", "小华", "小芳", "小军", *"甲乙丙丁戊己庚辛"]


def last_of(words, text):
    """The word of `words` that ends last in the text."""
    found = [(text.rfind(word), word) for word in words if word in text]
    return max(found)[1] if found else None


def answer_of(row):
    text = row["reply"].split("</think>")[-1]
    if re.fullmatch(r"-?\d+", row["answer"]):
        numbers = re.findall(r"-?\d[\d,]*", text)
        return numbers[-1].replace(",", "") if numbers else None
    if row["answer"] in PARITY:
        word = last_of(PARITY, text.lower())
        return row["answer"] if word and PARITY[word] == PARITY[row["answer"]] else word
    names = re.findall(r"[A-Z][a-z]+", row["prompt"]) if row["language"] == "en" else CHINESE_NAMES
    return last_of([name for name in names if name in row["prompt"]], text)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    counts = collections.defaultdict(lambda: [0, 0, 0])  # problems, strictly right, leniently right
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            for key in ((row["family"], row["language"]), ("all", row["language"]), ("all", "all")):
                counts[key][0] += 1
                counts[key][1] += row["correct"]
                counts[key][2] += row["correct"] or answer_of(row) == row["answer"]
    print(f"{'family':10} {'lang':4} {'answers':>8} {'alone':>8} {'lenient':>8}")
    for (family, language), (n, strict, lenient) in sorted(counts.items()):
        print(f"{family:10} {language:4} {n:8} {100 * strict / n:7.1f}% {100 * lenient / n:7.1f}%")


if __name__ == "__main__":
    main()

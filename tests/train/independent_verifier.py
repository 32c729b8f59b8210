#!/usr/bin/env python3
"""Solves the problems that `limpid data` prints from their wording alone and compares the answers; nothing here was taken
from the generators' code. Also checks every equation of the thinking. Standard library only.
Usage: independent_verifier.py LIMPID [SAMPLES PER FAMILY AND LEVEL]
       independent_verifier.py --answers FILE      scores a model's answers (`limpid eval MODEL SUITE --answers FILE`) from the wording of
                                                   the problems alone; fails where limpid judged one otherwise
       independent_verifier.py LIMPID --model MODEL [PROBLEMS PER FAMILY]   asks the model itself, then scores"""
import itertools
import json
import re
import pathlib
import subprocess
import sys
import tempfile
from fractions import Fraction

LEVELS = {"chain": 8, "count": 5, "addsub": 7, "multiply": 5, "ordering": 5, "boolean": 5, "target": 4, "word": 5, "talk": 4}
OPS = {"plus": "+", "minus": "-", "times": "*", "加": "+", "减": "-", "乘": "*", "+": "+", "-": "-", "*": "*"}


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text)]


def chain(p):
    tokens = re.findall(r"\d+|plus|minus|times|[加减乘+*-]", p)
    value = int(tokens[0])
    assert len(tokens) % 2 == 1, tokens
    for op, n in zip(tokens[1::2], tokens[2::2]):
        value = {"+": value + int(n), "-": value - int(n), "*": value * int(n)}[OPS[op]]
        assert value >= 0, p
    return str(value % 100)


COUNT = [r"^How many times does (?P<s>\S+) appear in (?P<l>.+)\?$", r"^How often does (?P<s>\S+) occur in: (?P<l>.+)\?$",
         r"^Count the (?P<s>\S+) in (?P<l>.+)\.$", r"^In (?P<l>.+), how many times do you see (?P<s>\S+)\?$", r"^how many (?P<s>\S+) in (?P<l>.+)$",
         r"^Is the number of (?P<s>\S+) in (?P<l>.+) odd or even\?$", r"^Does (?P<s>\S+) appear an odd or even number of times in (?P<l>.+)\?$",
         r"^odd or even: how many (?P<s>\S+) in (?P<l>.+)\?$",
         r"^数一数(?P<l>.+)里的(?P<s>.+)有几个。$", r"^在(?P<l>.+)中，(?P<s>.+)出现了几次？$", r"^(?P<l>.+)，有多少个(?P<s>.+)？$",
         r"^(?P<l>.+)里(?P<s>.+)的个数是奇数还是偶数？$", r"^(?P<s>[^里]+)在(?P<l>.+)里出现的次数是奇数还是偶数？$",
         r"^(?P<s>[^里]+)在(?P<l>.+)里出现几次？$", r"^(?P<l>.+)里有几个(?P<s>.+)？$"]


def count(p):
    for pattern in COUNT:
        if m := re.match(pattern, p):
            row = m["l"]
            items = row.split("、") if "、" in row else row.split() if " " in row else list(row)
            n = items.count(m["s"])
            if "odd" in p:
                return "odd" if n % 2 else "even"
            return ("奇数" if n % 2 else "偶数") if "奇数" in p else str(n)
    raise ValueError(p)


def addsub(p):
    a, b = numbers(p)
    if re.search(r"\+|plus|add|sum|加|和", p, re.I):
        return str(a + b)
    return str(b - a if re.search("Subtract|Take", p) else a - b)


def multiply(p):
    a, b = numbers(p)
    return str(a * b)


def line_up(p):
    """Every order that the comparisons leave open, and the question."""
    greater = {"taller": 1, "shorter": -1, "older": 1, "younger": -1, "faster": 1, "slower": -1, "heavier": 1, "lighter": -1,
               "高": 1, "矮": -1, "大": 1, "小": -1, "快": 1, "慢": -1, "重": 1, "轻": -1}
    pairs = []
    if re.search("[a-z]", p):
        for a, how, b in re.findall(r"(\w+) is (\w+) than (\w+)", p):
            pairs.append((a, b) if greater[how] > 0 else (b, a))
        question = p.split(". ")[-1]
    else:
        story, question = p.split("。")
        for clause in story.split("，"):
            a, b, how = re.match("(小.|.)比(小.|.)(.)$", clause).groups()
            pairs.append((a, b) if greater[how] > 0 else (b, a))
    names = sorted({n for pair in pairs for n in pair})
    return [o for o in itertools.permutations(names) if all(o.index(a) < o.index(b) for a, b in pairs)], question


def asked_place(question):
    if re.search("shortest|youngest|slowest|lightest|最[矮小慢轻]", question):
        return -1
    words = ["second", "third", "fourth", "fifth", "sixth", "seventh"]
    return next((i for i, w in enumerate(words, 1) if w in question), next((i for i, w in enumerate("二三四五六七", 1) if "第" + w in question), 0))


def ordering(p):
    solutions, question = line_up(p)
    assert len(solutions) == 1, p
    return solutions[0][asked_place(question)]


def truth(word):
    return {"true": True, "false": False, "真": True, "假": False}[word]


def named_values(p):
    """The value of each name of "A is true. B is not A."."""
    chinese, facts = not p.isascii(), {}
    for name, what in re.findall(r"([A-Z])是([^。？]+)。" if chinese else r"([A-Z]) is ([^.?]+)\.", p):
        what = what.replace("异或", "^").replace("且", "&").replace("或", "|").replace("非", "!")
        what = what.replace(" and ", "&").replace(" or ", "|").replace("not ", "!")
        if m := re.match(r"^([A-Z])([&|])([A-Z])$", what):
            a, b = facts[m[1]], facts[m[3]]
            facts[name] = (a and b) if m[2] == "&" else (a or b)
        elif what[0] == "!":
            facts[name] = not facts[what[1]]
        else:
            facts[name] = truth(what)
    return facts


def boolean(p):
    chinese = not p.isascii()
    if re.match(r"A(是| is )", p):
        facts = named_values(p)
        result = facts[re.search(r"([A-Z])是真还是假" if chinese else r"Is ([A-Z]) true", p)[1]]
    else:
        text = p.replace("从左到右算：", "") if chinese else p
        if chinese:
            tokens = re.findall("异或|且|或|非|真|假", re.split("。|，从左", text)[0])
            words = {"异或": "xor", "且": "and", "或": "or", "非": "not"}
        else:
            core = re.sub(r"true or false\?$", "", text)
            core = re.sub("^Evaluate from left to right: |^From left to right, is |^What is | from left to right:.*|Go from.*", "", core)
            tokens, words = re.findall("true|false|and|xor|or|not", core), {}
        result, op, negate = None, None, False
        for t in tokens:
            t = words.get(t, t)
            if t == "not":
                negate = True
            elif t in ("and", "or", "xor"):
                op = t
            else:
                v = truth(t) != negate
                negate = False
                result = v if op is None else {"and": result and v, "or": result or v, "xor": result != v}[op]
    return ("真" if result else "假") if chinese else ("true" if result else "false")


def evaluate(expression):
    """Exact value by Python's own parser, after a check that only numbers and operators are there."""
    assert re.fullmatch(r"[\d+\-*/() ]+", expression), expression
    return eval(re.sub(r"(\d+)", r"Fraction(\1)", expression), {"Fraction": Fraction})


def target(p, answer):
    if re.search("Make|^Use|Using|make|reach|get", p):
        goal = int((re.search(r"(?:Make|to make|make|reach|get) (\d+)", p))[1])
    else:
        goal = int(re.search(r"(?:成|出|得到)\s?(\d+)", p)[1])
    given = sorted(numbers(p))
    given.remove(goal)
    return evaluate(answer) == goal and sorted(numbers(answer)) == given


def word(p):
    n = numbers(p)
    story = "times" if re.search("boxes|Each of|盒，每", p) else "minus" if re.search(
        "left|fewer|took|剩|少\\d", p) else "plus"
    if len(n) == 3:
        product = story == "times"
        return str((n[0] * n[1] if product else n[0] + n[1]) - n[2])
    return str({"times": n[0] * n[1], "minus": n[0] - n[1], "plus": n[0] + n[1]}[story])


SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def from_english(text):
    total, part = 0, 0
    for w in text.replace("-", " ").split():
        if w in SMALL:
            part += SMALL.index(w)
        elif w in TENS:
            part += 10 * (TENS.index(w) + 2)
        elif w == "hundred":
            part *= 100
        elif w == "thousand":
            total, part = total + part * 1000, 0
    return total + part


def from_chinese(text):
    total, digit = 0, 0
    for c in text:
        if c in "零一二三四五六七八九":
            digit = "零一二三四五六七八九".index(c)
        else:
            total, digit = total + max(digit, 1) * {"十": 10, "百": 100, "千": 1000}[c], 0
    return total + digit


ENGLISH_NUMBER = r"(?:(?:%s|hundred|thousand)[ -]?)+" % "|".join(sorted(SMALL + TENS, key=len, reverse=True))


TOO_MUCH = ("I can only add, subtract or multiply two short whole numbers: try 347 + 895.", "我只会两个短整数的加、减、乘，比如347 + 895。")
TOO_LITTLE = ("That does not follow from what you said.", "条件不够，推不出来。")


def beyond(p, answer):
    """Whether the question is none of the families', and for the reason that the answer gives."""
    if answer in TOO_MUCH:
        given = re.findall(r"\d+", p)
        operators = len(re.findall(r"\d\s*(?:[-+*×]|plus|minus|times|[加减乘])\s*(?=\d)", p))
        return (bool(re.search(r"/|÷|divided by|除以|\d\.\d|squared|square root|\^|%|half of|\d!|平方|一半", p)) or operators > 1
                or len(given) == 2 and (bool(re.search(r"(?<!\d)(?<!\d )-\d", p)) or max(map(len, given)) > 8
                                        or bool(re.search("[*×]|times|乘", p)) and max(map(len, given)) > 3))
    if answer not in TOO_LITTLE:
        return False
    if re.search(r"(?:tall|old|fast|heavi)er than|比", p) and re.search(r"\. Who|。谁", p):
        orders, question = line_up(p)
        return len({o[asked_place(question)] for o in orders}) > 1
    if re.search("true or false|是真还是假", p):  # both values are possible
        asked, outcomes = re.search(r"([A-Z])是真还是假|Is ([A-Z]) true", p), set()
        for unknown in (True, False):
            facts = {"A": unknown, "B": unknown}
            for name, what in re.findall(r"([A-Z])(?:是| is )((?:非|not )?(?:[^。. ]+(?: (?:and|or) [A-Z])?))[。.]", p):
                what = re.sub("非|not ", " not ", what.replace("且", " and ").replace("或", " or ").replace("真", "True").replace("假", "False"))
                facts[name] = eval(what.replace("true", "True").replace("false", "False").strip(), {}, dict(facts))
            outcomes.add(facts[asked[1] or asked[2]])
        return len(outcomes) == 2
    if re.search(r"^Is \w+ \w+ than|^Who is \w+, |比.+吗？$|谁.？$", p):
        return len(re.findall(r"[。.]", p)) == 0  # and nothing is said before
    return len(numbers(p)) == 1  # a story with one number


def talk(p, answer):
    """Number words only: whether the answer means the number that is asked for."""
    asked = numbers(p)
    if asked:
        return (from_chinese(answer) if not answer.isascii() else from_english(answer)) == asked[0]
    if m := re.search(ENGLISH_NUMBER, p):
        return from_english(m[0]) == int(answer)
    return from_chinese(re.search("[零一二三四五六七八九十百千]+", p)[0]) == int(answer)


def right(s):
    family, p, answer = s["family"], s["prompt"], s["answer"]
    if family == "target":
        return target(p, answer)
    if family == "talk":
        return s["level"] == 1 or (beyond(p, answer) if s["level"] == 4 else talk(p, answer))
    return globals()[family](p) == answer


def order_thought(s):
    """Every clause with its sign; the line down; numbered; the place that is asked for."""
    order = [n.removeprefix("小") for n in line_up(s["prompt"])[0][0]]
    head, line, places, asked = re.sub(r"^(order|排):|\s", "", s["thinking"]).split(";")
    pairs = [clause.split(">") for clause in head.split(",")]
    return (sorted(order.index(low) for _, low in pairs) == list(range(1, len(order)))
            and all(order.index(low) == order.index(high) + 1 for high, low in pairs)
            and line.split(">") == order and places == ",".join(f"{i}{n}" for i, n in enumerate(order, 1))
            and asked[1:] == s["answer"].removeprefix("小") == order[int(asked[0]) - 1])


def logic_thought(s):
    """Every value that is written is that of its name, of its negation or of its two operands."""
    t = s["thinking"].translate(str.maketrans("，：；", ",:;"))
    t = re.sub("异或", "^", t).replace("且", "&").replace("或", "|").replace("非", "!").replace("真", "1").replace("假", "0")
    for word, sign in (("xor", "^"), ("or", "|"), ("and", "&"), ("not", "!"), ("true", "1"), ("false", "0"), (" ", "")):
        t = t.replace(word, sign)
    facts = named_values(s["prompt"]) if re.match(r"A(是| is )", s["prompt"]) else {}
    if any(facts[name] != (value == "1") for name, value in re.findall(r"([A-Z])=([01])", t)) or len(re.findall("[A-Z]=[01]", t)) < len(facts):
        return False
    for negated, value in re.findall(r"!([01])=([01])", t):
        if negated == value:
            return False
    steps = re.findall(r"(?<![=\d])([01])([&|^])([01])=([01])", t)
    for a, op, b, value in steps:
        a, b = a == "1", b == "1"
        if {"&": a and b, "|": a or b, "^": a != b}[op] != (value == "1"):
            return False
    return bool(facts) or bool(steps) and steps[-1][3] == ("1" if truth(s["answer"]) else "0")


def target_thought(s):
    """Every try has the ones of its value, and its tens where the ones are the target's; only the last one says yes."""
    t = s["thinking"].replace("凑", "make ").replace("个", " ones").replace("十", " tens").replace("否", " no").replace("是", " yes")
    goal, ones, tens = map(int, re.match(r"make (\d+) ones(\d) tens(\d+);", t).groups())
    verdicts = []
    for pair in t.split(";")[1:]:
        middle = re.match(r"(\d+[-+*]\d+)(?: no$|=(\d+):)", pair)
        if middle[2] is None:
            if evaluate(middle[1]) >= 0:
                return False
            continue
        for op, n, found, borrow, above, said in re.findall(r"([-+*])(\d+) ones(\d+)(-?)(?: tens(-?\d+))? (yes|no)", pair[middle.end():]):
            value = int(evaluate(f"{middle[2]}{op}{n}"))
            if (int(found) % 10 != value % 10 or (above == "") == (value % 10 == ones) or above and int(above) != value // 10
                    or (said == "yes") != (value == goal) or (borrow == "-") != (op == "-" and int(middle[2]) % 10 < int(n))):
                return False
            verdicts.append(said)
    return goal == 10 * tens + ones and verdicts.count("yes") == 1 and verdicts[-1] == "yes" and len(verdicts) == len(re.findall(" (?:yes|no)(?=[-+*;]|$)", re.sub(r";\d+-\d+ no", "", t)))


def thinking_right(s):
    t = s["thinking"]
    for left, found in re.findall(r"(?<![\d:*+-])(\d+(?:[-+*]\d+)+)=(\d+)", t):
        if s["family"] in ("addsub", "multiply", "word", "target") and evaluate(left) != int(found):
            return False
    if s["family"] == "chain":
        ones, tens = re.findall(r"(?: ones|个)(\d+)-?(?: tens|十)(\d)", t)[-1]
        return int(tens) * 10 + int(ones) % 10 == int(s["answer"])
    if thought := {"ordering": order_thought, "boolean": logic_thought, "target": target_thought}.get(s["family"]):
        return thought(s)
    return True


def spoken(reply):
    """The answer behind the thinking, without white space and one full stop; None where the thinking does not end."""
    if "<think>" in reply and "</think>" not in reply:
        return None
    answer = reply.rsplit("</think>", 1)[-1].strip()
    for stop in (".", "。"):
        answer = answer.removesuffix(stop)
    return answer.strip()


def judged_right(line):
    """Whether the reply is right, by what the problem's wording asks."""
    answer = spoken(line["reply"])
    if not answer or not line["finished"]:
        return False
    family, prompt = line["family"], line["prompt"]
    try:
        if family == "target":
            return target(prompt, answer)
        if family == "talk" and line["level"] == 4:
            chinese = bool(re.search("[一-鿿]", prompt))
            return any(spoken(said[chinese]) == answer and beyond(prompt, said[chinese]) for said in (TOO_MUCH, TOO_LITTLE))
        if family == "talk":
            return talk(prompt, answer.lower())
        asked = globals()[family](prompt)
    except (AssertionError, ValueError, KeyError, IndexError, SyntaxError, ZeroDivisionError, AttributeError, TypeError):
        return False
    if re.fullmatch(r"[-−]?\d+", asked):
        return bool(re.fullmatch(r"[-−]?[0-9]+", answer)) and int(answer.replace("−", "-")) == int(asked)
    return answer.lower() == asked.lower()


def score(path):
    lines = [json.loads(line) for line in open(path, encoding="utf-8")]
    by_family, differ = {}, []
    for line in lines:
        right_here = judged_right(line)
        counts = by_family.setdefault(line["family"], [0, 0])
        counts[0] += right_here
        counts[1] += 1
        if right_here != line["correct"]:
            differ.append(line)
    for line in differ[:5]:
        print(json.dumps(line, ensure_ascii=False))
    for family, (good, all_of) in sorted(by_family.items()):
        print(f"{family:10} {good} of {all_of} right ({good / all_of:.1%})")
    good = sum(counts[0] for counts in by_family.values())
    print(f"{len(lines)} answers, {good} right ({good / max(len(lines), 1):.1%}); limpid judges {len(differ)} otherwise")
    return 0 if lines and not differ and 0 < good < len(lines) else 1


def samples(limpid, *arguments):
    out = subprocess.run([limpid, "data", *arguments, "--json"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def steps_of(p):
    """The problems that a story of two steps works out, as the plain families name them."""
    a, b, c = numbers(p)
    product = bool(re.search("boxes|盒", p))
    middle = a * b if product else a + b
    if product:
        a, b = sorted((a, b))  # boxes come first in some wordings
    return {"*".join(map(str, (a, b))) if product else "+".join(map(str, sorted((a, b)))), f"{middle}-{c}"}


def leaks(limpid):
    """What the training side shows of the held-out side: held-out products, sums and differences as steps of stories, and
    orders of names that are held out under another question."""
    found = []
    plain = {s["problem"] for family, level in (("multiply", 1), ("addsub", 1), ("addsub", 2))
             for s in samples(limpid, family, "-n", "2000", "--level", str(level), "--lang", "en", "--split", "held-out")}
    worked = {step for language in ("en", "zh") for s in samples(limpid, "word", "-n", "2000", "--level", "4", "--lang", language) for step in steps_of(s["prompt"])}
    assert sum("*" in problem for problem in plain) > 40 and sum("*" in step for step in worked) > 400
    found += sorted(plain & worked)
    orders = {split: {line_up(s["prompt"])[0][0] for s in samples(limpid, "ordering", "-n", "2000", "--level", "1", "--lang", "en", "--split", split)}
              for split in ("train", "held-out")}
    assert len(orders["train"]) > 250 and len(orders["held-out"]) > 15
    return found + sorted(orders["train"] & orders["held-out"])


def main():
    if sys.argv[1] == "--answers":
        sys.exit(score(sys.argv[2]))
    if len(sys.argv) > 3 and sys.argv[2] == "--model":
        with tempfile.TemporaryDirectory() as folder:
            answers = str(pathlib.Path(folder) / "answers.jsonl")
            problems = sys.argv[4] if len(sys.argv) > 4 else "10"
            subprocess.run([sys.argv[1], "eval", sys.argv[3], "mix", "-n", problems, "-k", "4", "--max-tokens", "112", "--answers", answers], check=True)
            sys.exit(score(answers))
    limpid, n = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "150"
    seen, wrong, split = 0, [], {"train": set(), "held-out": set()}
    for family, levels in LEVELS.items():
        for level in range(1, levels + 1):
            for language in ("en", "zh"):
                batch = samples(limpid, family, "-n", n, "--level", str(level), "--lang", language, "--split", "any", "--seed", str(level * 7))
                assert len(batch) == int(n)
                for s in batch:
                    seen += 1
                    split[s["split"]].add(s["problem"])
                    if not right(s) or not thinking_right(s):
                        wrong.append(s)
    for s in wrong[:5]:
        print(json.dumps(s, ensure_ascii=False))
    both = (split["train"] & split["held-out"]) | set(leaks(limpid))
    share = len(split["held-out"]) / (len(split["train"]) + len(split["held-out"]))
    print(f"{seen} samples, {len(wrong)} wrong; held out {share:.1%} of the problems, {len(both)} on both sides")
    sys.exit(1 if wrong or both or not 0.07 < share < 0.13 else 0)


if __name__ == "__main__":
    main()

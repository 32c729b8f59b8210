#!/usr/bin/env python3
"""Whatever a random model says under a grammar is valid JSON of its schema, and the grammar takes and refuses what it should.

    grammar_validity.py PROBE [--seeds N]

N seeds (1,000) for every schema of grammar_schemas.py, over vocabularies that are cut at odd places. The judge is json_validator.py, and the
package jsonschema where it is installed.
"""
import argparse
import json
import subprocess
import sys
import time

import json_validator
from grammar_schemas import LARGE, REFUSED, SCHEMAS


class Probe:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the probe died on {json.dumps(question)[:500]}")
        return json.loads(line)


def tables(probe):
    wrong = 0
    for name, schema, taken, refused in SCHEMAS:
        for text in taken:
            fault = json_validator.judge(text, schema)
            if fault:
                wrong += 1
                print(f"{name}: the table calls {text} valid, the validator says: {fault}")
        answer = probe.ask(schema=schema, texts=taken + refused)
        if "error" in answer:
            wrong += 1
            print(f"{name}: {answer['error']}")
            continue
        for text, got, expected in zip(taken + refused, answer["accepts"], [True] * len(taken) + [False] * len(refused)):
            if got != expected:
                wrong += 1
                print(f"{name}: {text!r} is {'taken' if got else 'refused'}")
    return wrong


def refusals(probe):
    wrong = 0
    for schema, part in REFUSED:
        start = time.time()
        answer = probe.ask(schema=schema, texts=[])
        took = time.time() - start
        if part not in answer.get("error", ""):
            wrong += 1
            print(f"{json.dumps(schema)[:200]}: expected an error with {part!r}, got {json.dumps(answer)[:300]}")
        if took > 200:  # a bomb that goes off takes hours; this is no measurement
            wrong += 1
            print(f"{json.dumps(schema)[:200]}: refused only after {took:.0f} s")
    for schema in LARGE:
        answer = probe.ask(schema=schema, seeds=[0, 2], vocabulary=1)
        if "error" in answer:
            wrong += 1
            print(f"{json.dumps(schema)[:200]}: {answer['error']}")
    return wrong


def random_answers(probe, seeds):
    wrong = answers = cut = 0
    for i, (name, schema, _, _) in enumerate(SCHEMAS):
        per_vocabulary = max(1, seeds // 4)
        different = set()
        for vocabulary in range(4):
            answer = probe.ask(schema=schema, seeds=[vocabulary * per_vocabulary, (vocabulary + 1) * per_vocabulary], vocabulary=vocabulary * 100 + i if vocabulary else 0)
            if "error" in answer:
                wrong += 1
                print(f"{name}: {answer['error']}")
                continue
            cut += answer["cut"]
            for text in answer["texts"]:
                answers += 1
                different.add(text)
                fault = json_validator.judge(text, schema)
                if fault:
                    wrong += 1
                    print(f"{name}: {text!r}: {fault}")
        if not different:
            wrong += 1
            print(f"{name}: no answer ended")
    print(f"{answers} answers judged, {cut} cut off by their length")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("probe")
    parser.add_argument("--seeds", type=int, default=1000)
    arguments = parser.parse_args()
    probe = Probe(arguments.probe)
    wrong = tables(probe) + refusals(probe) + random_answers(probe, arguments.seeds)
    print(f"{len(SCHEMAS)} schemas, {len(REFUSED)} refused; jsonschema {'agrees' if json_validator.jsonschema else 'is not installed'}; {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

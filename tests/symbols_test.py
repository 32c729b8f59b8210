#!/usr/bin/env python3
"""Objects that are compiled for an instruction set define no weak symbol: the linker keeps one copy of those for the
whole program, and an AVX-512 copy of an inline function would run on a machine that has none. Nor do they run code at
start. Usage: symbols_test.py NM ARCHIVE SOURCE...   SOURCE: every source that has instructions of its own, by name."""
import re
import subprocess
import sys

nm, archive, *sources = sys.argv[1:]
expected = {source + ".o" for source in sources}
lines = subprocess.run([nm, "--defined-only", archive], check=True, capture_output=True, text=True).stdout.splitlines()
member, found, bad = "", set(), []
for line in lines:
    if line.endswith(":"):
        member = line[:-1]
    elif member in expected and line.strip():
        found.add(member)
        kind, name = line.split()[-2:]
        if kind in "wWvVu" or "GLOBAL__sub_I" in name:
            bad.append(f"{member}: {kind} {name}")
for line in bad:
    print(line)
# The build's list and the names agree: a source that is named for an instruction set is compiled for it.
named = {m[:-1] for m in lines if re.search(r"_(avx\w*|amx|bf16|vnni)\.cpp\.o:$", m)}
for member in sorted((named | expected) - (named & found)):
    where = "expected" if member in expected else "not among the sources with instructions of their own"
    print(f"{archive}: {member}: {where}, {'defines something' if member in found else 'nothing defined'}")
sys.exit(bool(bad) or not expected or found != expected or named != expected)

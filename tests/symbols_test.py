#!/usr/bin/env python3
"""Objects that are compiled for an instruction set define no weak symbol: the linker keeps one copy of those for the
whole program, and an AVX-512 copy of an inline function would run on a machine that has none. Nor do they run code at
start. Usage: symbols_test.py NM ARCHIVE"""
import re
import subprocess
import sys

nm, archive = sys.argv[1:]
lines = subprocess.run([nm, "--defined-only", archive], check=True, capture_output=True, text=True).stdout.splitlines()
member, found, bad = "", set(), []
for line in lines:
    if line.endswith(":"):
        member = line[:-1]
        continue
    isa = re.search(r"_(avx2|avx512|amx)\.cpp\.o$", member)
    if not isa or not line.strip():
        continue
    found.add(member)
    kind, name = line.split()[-2:]
    if kind in "wWvVu" or "GLOBAL__sub_I" in name:
        bad.append(f"{member}: {kind} {name}")
for line in bad:
    print(line)
if len(found) < 5:
    print(f"{archive}: only {sorted(found)} are compiled for an instruction set; attention, the tables and AMX were expected")
sys.exit(bool(bad) or len(found) < 5)

#!/usr/bin/env python3
"""Fails if README.md's tree and the folders differ: every top-level folder and every folder of src/ has exactly one line. Usage: readme_tree_test.py REPOSITORY"""
import pathlib
import re
import subprocess
import sys

repo = pathlib.Path(sys.argv[1])
listed = set(re.findall(r"^[ │]*[├└]──[ ]*([A-Za-z0-9_./-]+/)(?:\s|$)", (repo / "README.md").read_text(), re.M))
tracked = subprocess.run(["git", "-C", str(repo), "ls-files"], capture_output=True, text=True).stdout.splitlines()
if not tracked:  # an exported tree without git
    tracked = [p.relative_to(repo).as_posix() for d in ("src", "tests", "docs", "tools", "bench") for p in (repo / d).rglob("*") if p.is_file()]
expected = set()
for name in tracked:
    parts = name.split("/")
    if len(parts) > 1 and not parts[0].startswith("."):
        expected.add(parts[0] + "/")
    if len(parts) > 2 and parts[0] == "src":
        expected.add(parts[1] + "/")
problems = [f"README.md's tree lacks {name}" for name in sorted(expected - listed)]
problems += [f"README.md's tree names {name}, which is not there" for name in sorted(listed - expected)]
print("\n".join(problems) or f"README.md's tree names all {len(expected)} folders")
sys.exit(bool(problems))

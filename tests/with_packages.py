#!/usr/bin/env python3
"""Runs a script of tests/ that needs Python packages which this repository does not: with LIMPID_TORCH_PYTHON, or this Python. Ends with 77
(skipped) where one of the packages that the script imports is not there.
Usage: with_packages.py SCRIPT ARGUMENTS..."""
import os
import re
import subprocess
import sys

python = os.environ.get("LIMPID_TORCH_PYTHON") or sys.executable
KNOWN = ("torch", "transformers", "tokenizers", "peft", "safetensors", "numpy")
text = open(sys.argv[1], encoding="utf-8").read()
needed = [name for name in KNOWN if re.search(rf"^\s*(?:import|from) [^\n]*\b{name}\b", text, re.M)]
found = subprocess.run([python, "-c", "import " + ", ".join(needed)], capture_output=True, text=True)
if found.returncode != 0:
    print(f"skipped: {python}: {found.stderr.strip().splitlines()[-1] if found.stderr.strip() else 'failed'}")
    sys.exit(77)
sys.exit(subprocess.run([python, *sys.argv[1:]]).returncode)

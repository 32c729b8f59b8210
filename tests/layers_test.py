#!/usr/bin/env python3
"""Fails if a file in src/ includes a folder that src/LAYERS does not allow, if files of a folder include each other in a circle,
or if anything includes app/. Usage: layers_test.py REPOSITORY"""
import pathlib
import re
import sys

repo = pathlib.Path(sys.argv[1])
src = repo / "src"
allowed = {}
for line in (src / "LAYERS").read_text().splitlines():
    line = line.split("#")[0].strip()
    if line:
        folder, _, rest = line.partition(":")
        allowed[folder.strip()] = rest.split()

problems = []
graph = {}
for path in sorted(src.rglob("*")):
    if path.suffix not in (".h", ".cpp", ".inc"):
        continue
    name = path.relative_to(src).as_posix()
    folder = name.split("/")[0]
    if folder not in allowed:
        problems.append(f"{name}: folder '{folder}' is not in src/LAYERS")
        continue
    includes = re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M)
    graph[name] = []
    for include in includes:
        if not (src / include).exists():
            problems.append(f'{name}: includes "{include}", which is not a path from src/')
            continue
        target = include.split("/")[0]
        if target == folder:
            graph[name].append(include)
        elif target not in allowed[folder] and include not in allowed[folder]:
            problems.append(f'{name}: includes "{include}", but {folder} may include only: {" ".join(allowed[folder]) or "nothing"}')

state = {}


def visit(name, trail):
    if state.get(name) == "done":
        return
    if name in trail:
        problems.append("include circle: " + " -> ".join(trail[trail.index(name):] + [name]))
        return
    for other in graph.get(name, []):
        visit(other, trail + [name])
    state[name] = "done"


for name in graph:
    visit(name, [])
for folder in (p.name for p in src.iterdir() if p.is_dir()):
    if folder not in allowed:
        problems.append(f"src/{folder} is not in src/LAYERS")
print("\n".join(problems) or f"{len(graph)} files follow src/LAYERS")
sys.exit(bool(problems))

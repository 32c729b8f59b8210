#!/usr/bin/env python3
"""Gets the client libraries that limpid's API is proved with, which others wrote, at the versions named here.

    fetch.py          set-up; needs the package registries. What cannot be had is said, its tests are skipped; exit status 3: pip or npm found a wrong hash

They lie in $LIMPID_CLIENTS_CACHE, or .cache/clients in the repository: Python's in a virtual environment, Node's (where node and npm are
installed, 18 or later) in node_modules.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("LIMPID_CLIENTS_CACHE") or REPO / ".cache" / "clients")
PYTHON = CACHE / "venv" / "bin" / "python"
NODE_PACKAGES = CACHE / "node"
# The newest at the time of writing; of Node's those that still run on 18, Debian 12's.
PYTHON_VERSIONS = {"openai": "3.57.0", "anthropic": "2.14.0", "langchain-deepseek": "1.1.1", "schemathesis": "4.32.5"}
NODE_VERSIONS = {"openai": "6.49.0", "ai": "6.0.326", "@ai-sdk/deepseek": "2.0.69", "zod": "4.1.12"}
SECONDS = 600  # for one installer
WRONG_CHECKSUM = 3  # which tools/test does not take for a missing network
MISMATCHES = ("DO NOT MATCH THE HASHES", "EINTEGRITY")  # as pip and npm say it


def marker(folder, versions):
    return folder / f".have-{hashlib.sha256(json.dumps(versions).encode()).hexdigest()[:12]}"


def have_python():
    return marker(CACHE / "venv", PYTHON_VERSIONS).exists()


def have_node():
    return shutil.which("node") is not None and marker(NODE_PACKAGES, NODE_VERSIONS).exists()


def node_version():
    node = shutil.which("node")
    return int(subprocess.run([node, "--version"], capture_output=True, text=True).stdout.lstrip("v").split(".")[0] or 0) if node else 0


class WrongChecksum(Exception):
    pass


def install(command, **options):
    """Runs an installer and shows what it complains of; a hash that is not the registry's is told from other failures."""
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=SECONDS, **options)
    sys.stderr.write(done.stderr)
    if done.returncode != 0 and any(said in done.stderr for said in MISMATCHES):
        raise WrongChecksum(f"{command[0]}: a package's hash is wrong")
    done.check_returncode()


def fetch_python():
    venv.create(CACHE / "venv", with_pip=True, clear=True)
    install([PYTHON, "-m", "pip", "-q", "--disable-pip-version-check", "--retries", "1", "--timeout", "15", "install",
             *(f"{name}=={version}" for name, version in PYTHON_VERSIONS.items())])
    marker(CACHE / "venv", PYTHON_VERSIONS).touch()


def fetch_node():
    shutil.rmtree(NODE_PACKAGES, ignore_errors=True)
    NODE_PACKAGES.mkdir(parents=True)
    (NODE_PACKAGES / "package.json").write_text(json.dumps({"name": "clients", "private": True, "dependencies": NODE_VERSIONS}))
    install(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"],
            cwd=NODE_PACKAGES, stdout=subprocess.DEVNULL)
    marker(NODE_PACKAGES, NODE_VERSIONS).touch()


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    failed = wrong = False
    steps = [("Python's", have_python, fetch_python)]
    if shutil.which("npm") and node_version() >= 18:
        steps.append(("Node's", have_node, fetch_node))
    else:
        print("clients: node and npm 18 or later are not installed; the tests of Node's clients will be skipped")
    for name, have, get in steps:
        if have():
            continue
        try:
            get()
        except (OSError, subprocess.SubprocessError) as error:
            print(f"clients: cannot get {name} packages: {error}; their tests will be skipped")
            failed = True
        except WrongChecksum as error:
            print(f"clients: {name} packages: {error}")
            wrong = True
    return WRONG_CHECKSUM if wrong else int(failed)


if __name__ == "__main__":
    sys.exit(main())

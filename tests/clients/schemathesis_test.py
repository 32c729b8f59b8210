"""schemathesis, which makes requests of all kinds from the OpenAPI document of a running limpid (started by run.py): no answer is a server error,
every status and body is one that the document allows.

    schemathesis_test.py [EXAMPLES an operation] [--seed N] [--team]

--team: of a team's routes instead, as an admin with a key, at a service of its own.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import run

# Checks of the document's truth. Left out are access, which is open here or an admin's, and whether everything wrong is refused: what has no
# consequence for the answer (a name within a message, say) is not looked at.
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance", "unsupported_method"]
SECONDS = 240  # for all operations
TIERS = {"currency": "USD", "default_tier": "free", "capacity": 5, "prices": {"*": {"cached": "1", "prompt": "1", "completion": "1"}},
         "tiers": {"free": {}, "paid": {"charged": True}}}


@contextlib.contextmanager
def team():
    """Address and admin's key of a service with a team."""
    limpid = os.environ["LIMPID_BINARY"]
    with tempfile.TemporaryDirectory() as data:
        (pathlib.Path(data) / "team.json").write_text(json.dumps(TIERS))

        def admin(*words, text=""):
            return subprocess.run([limpid, "admin", "--data", data, *words], input=text, capture_output=True, text=True, check=True, timeout=60).stdout.split()
        admin("add", "root", "--admin", text="a long password\n")
        admin("add", "ada", text="a long password\n")
        key = admin("key", "root", "--scopes", "admin,chat,models,usage")[-1]
        with run.service(limpid, ["r1-nano"], "--team", "--data", data) as url:
            yield url, key


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", type=int, nargs="?", default=12)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--team", action="store_true")
    options = parser.parse_args()
    print("seed", options.seed, flush=True)
    with contextlib.ExitStack() as ends:
        folder = ends.enter_context(tempfile.TemporaryDirectory())
        url, more = os.environ["LIMPID_URL"], []
        if options.team:
            url, key = ends.enter_context(team())
            more = ["--header", f"Authorization: Bearer {key}", "--include-path-regex", "^/api/|balance"]
        return subprocess.run(
            [pathlib.Path(sys.executable).with_name("schemathesis"), "run", url + "/openapi.json", "--url", url, "--checks", ",".join(CHECKS),
             "--phases", "examples,coverage,fuzzing", "--max-examples", str(options.examples), "--seed", str(options.seed), "--request-timeout", "60",
             "--suppress-health-check", "all", "--continue-on-failure", *more], cwd=folder, timeout=SECONDS * 2).returncode


if __name__ == "__main__":
    sys.exit(main())

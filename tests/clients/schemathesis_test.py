"""schemathesis, which makes requests of all kinds from the OpenAPI document of a running limpid (started by run.py): no answer is a server error,
every status and body is one that the document allows.

    schemathesis_test.py [EXAMPLES an operation] [--seed N]
"""
import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile

# Checks of the document's truth. Left out are access, which is open here, and whether everything wrong is refused: what has no consequence for the
# answer (a name within a message, say) is not looked at.
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance", "unsupported_method"]
SECONDS = 240  # for all operations


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", type=int, nargs="?", default=12)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    url = os.environ["LIMPID_URL"]
    print("seed", options.seed, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [pathlib.Path(sys.executable).with_name("schemathesis"), "run", url + "/openapi.json", "--url", url, "--checks", ",".join(CHECKS),
             "--phases", "examples,coverage,fuzzing", "--max-examples", str(options.examples), "--seed", str(options.seed), "--request-timeout", "60",
             "--suppress-health-check", "all", "--continue-on-failure"], cwd=folder, timeout=SECONDS * 2).returncode


if __name__ == "__main__":
    sys.exit(main())

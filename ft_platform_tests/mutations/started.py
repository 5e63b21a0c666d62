"""A process that has imported what no fault changes, and forks for each run of pytest: that spares each run most of its
seconds. Reads arguments of pytest as a line of JSON, answers with the exit code; output goes into the file `output`."""

import contextlib
import importlib
import json
import os
import sys

LIBRARIES = ("pytest", "xdist", "hypothesis", "dagster", "pandas", "pyarrow", "deltalake", "sklearn", "scipy.stats")
LIBRARIES += ("matplotlib.figure", "cryptography", "jinja2", "boto3", "torch", "transformers", "peft")


def main(output: str) -> None:
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            import pytest

            code = int(pytest.main(json.loads(line)))
            sys.stdout.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    assert not any(name.startswith("ft_platform") for name in sys.modules)
    sys.path[0] = os.getcwd()
    main(sys.argv[1])

"""Entry point of a task on Databricks, `[project.entry-points.databricks]` of the wheel. Its parameters are
`<scope>/<key>` of a secret with variables, and what `python -m` runs with them.

A task runs inside the interpreter of the driver, which other things share. So the program is a process below it, and
ends with it (`prepare_process`). The task fails with the program's exit code, and says nothing else of it.
"""

import json
import os
import subprocess
import sys


class ProgramEnded(Exception):
    """The program ended with an exit code that is not 0."""


def main() -> None:
    from databricks.sdk.runtime import dbutils  # only through it may a secret be read

    scope, _, key = sys.argv[1].partition("/")
    variables: dict[str, str] = json.loads(dbutils.secrets.get(scope, key))
    # Libraries of a task are on the path of this interpreter, not in its installation.
    path = os.pathsep.join(filter(None, [variables.get("PYTHONPATH"), *sys.path]))
    command = [sys.executable, "-m", *sys.argv[2:]]
    code = subprocess.run(command, env={**os.environ, **variables, "PYTHONPATH": path}).returncode
    if code:
        raise ProgramEnded(f"exit code {code}")

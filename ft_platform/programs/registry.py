"""Asks the Model Registry about use cases: `python -m ft_platform.programs.registry USE_CASE...`, started by a server
before it loads a release. For each it prints a line as soon as it knows: `{"use_case", "disagreement"}`, the second
null where the registry does not contradict the lake (`tracking.registry.disagreement`)."""

import ctypes
import json
import signal
import sys

from ft_platform.lake.opening import open_lake
from ft_platform.programs.reporting import PR_SET_PDEATHSIG
from ft_platform.tracking.registry import disagreement
from ft_platform.use_case.environment import load_environment


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody waits for the answer any more
    environment = load_environment()
    lake = open_lake(environment)
    for name in sys.argv[1:]:
        print(json.dumps({"use_case": name, "disagreement": disagreement(environment, lake, name)}), flush=True)


if __name__ == "__main__":
    main()

"""torchrun on one of several nodes of a training job of Amazon SageMaker AI: `python -m
ft_platform.programs.sagemaker_nodes <resourceconfig.json> --master-port=29400 --nproc-per-node=1 --module <program>`.

SageMaker writes the file into each container: which nodes there are, and which of them this is. All meet at the first.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    from ft_platform.programs import together

    found = json.loads(Path(sys.argv.pop(1)).read_text(encoding="utf-8"))
    hosts, here = found["hosts"], found["current_host"]
    sys.argv[1:1] = [f"--nnodes={len(hosts)}", f"--node-rank={hosts.index(here)}", f"--master-addr={hosts[0]}"]
    together.main()


if __name__ == "__main__":
    main()

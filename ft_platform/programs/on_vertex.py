"""torchrun on one of several machines of a custom job of Vertex AI, which says in CLUSTER_SPEC where the first is:
`python -m ft_platform.programs.on_vertex --nnodes=2 --nproc-per-node=4 --module <program>`.

https://cloud.google.com/vertex-ai/docs/training/distributed-training"""

import json
import os
import sys

from ft_platform.programs.together import main


def meeting(spec: str) -> list[str]:
    """Arguments of torchrun. The second pool has all machines but the first."""
    found = json.loads(spec)
    host, _, port = found["cluster"]["workerpool0"][0].rpartition(":")
    task = found["task"]
    rank = int(task["index"]) + (0 if task["type"] == "workerpool0" else 1)
    return [f"--node-rank={rank}", f"--master-addr={host}", f"--master-port={port}"]


if __name__ == "__main__":
    sys.argv[1:1] = meeting(os.environ["CLUSTER_SPEC"])
    main()

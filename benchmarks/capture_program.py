"""A server that notes what it answers, with an engine that answers at once:
`python benchmarks/capture_program.py SPOOL PORT`.

Guard, application, spool and sockets are those of `ft serve`. One process stays and makes a child for each life, so
that a server that was killed answers again in a moment."""

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def serve(spool: Path, port: int) -> None:
    from ft_platform.monitoring.traffic.spool import Spool
    from ft_platform.serving.api.app import build_app
    from ft_platform.serving.api.server import ApiServer
    from ft_platform.serving.api_keys import ApiKeys
    from ft_platform.serving.catalog import GivenModels
    from ft_platform_tests.serving.fakes import FakeEngine, every_kind

    notes = Spool(spool)
    notes.start()
    ApiServer(build_app(FakeEngine(), GivenModels(every_kind()), ApiKeys(None), notes), "127.0.0.1", port).serve()


def warmed() -> None:
    """Everything is imported before the first life; no thread may run when a child is made."""
    import ft_platform_tests.serving.fakes

    ft_platform_tests.serving.fakes.every_kind()
    assert threading.active_count() == 1


if __name__ == "__main__":
    warmed()
    while True:
        child = os.fork()
        if not child:
            serve(Path(sys.argv[1]), int(sys.argv[2]))
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)

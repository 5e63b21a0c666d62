"""torchrun that ends with the process that started it: `python -m ft_platform.programs.together --standalone
--nproc-per-node=2 --module <program>`.

Its processes end with it in turn (`prepare_process`): a killed run worker leaves no trainer behind.
"""

import os
import signal
import sys

from ft_platform.programs.reporting import prepare_process


def main() -> None:
    prepare_process()
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun()
    except ChildFailedError as failed:
        end_like(failed.get_first_failure()[1].exitcode)


def end_like(exit_code: int) -> None:
    """Ends this process as the first of its processes ended that failed: by the same signal, if it was one, so that the
    back end can name it."""
    sys.stdout.flush()
    if exit_code < 0:
        signal.signal(-exit_code, signal.SIG_DFL) if -exit_code != signal.SIGKILL else None
        os.kill(os.getpid(), -exit_code)
    raise SystemExit(exit_code)


if __name__ == "__main__":
    main()

"""`dagster dev` whose web server is ours: `python -m ft_platform.web.dagster_dev` takes the words of `dagster dev`. `ft
ui` starts it."""

import sys
from collections.abc import Sequence
from typing import Any

WEBSERVER = ["-m", "dagster_webserver"]
OURS = ["-m", "ft_platform.web.dagster_webserver"]


def our_webserver(words: Sequence[str]) -> list[str]:
    """The command that `dagster dev` starts a process with; instead of Dagster's web server it starts ours."""
    python, *rest = words
    return [python, *OURS, *rest[2:]] if rest[:2] == WEBSERVER else [python, *rest]


def main() -> None:
    """Runs until it is stopped."""
    from dagster._cli import dev

    start = vars(dev)["open_ipc_subprocess"]

    def started(words: Sequence[str], **kwargs: Any) -> Any:
        return start(our_webserver(words), **kwargs)

    setattr(dev, "open_ipc_subprocess", started)  # noqa: B010 - a private name of Dagster's
    dev.dev_command()


if __name__ == "__main__":
    sys.exit(main())

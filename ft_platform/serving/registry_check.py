"""Asks the Model Registry before a server loads a release: nothing new of a use case is served whose registry names
other releases than the lake.

The registry is asked in a process of its own, in a thread that answers no request: MLflow takes 2 seconds to import,
and a server that drips can be ended by nothing else. Asked is once for each set of new releases of a use case, and
again every `AGAIN_SECONDS` while it disagrees. Not covered: a registry that does not answer within `ASK_SECONDS` keeps
no release from being served."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ft_platform.tracking.registry import has_registry
from ft_platform.use_case.settings.environment import Environment

LOG = logging.getLogger(__name__)
ASK_SECONDS = 60.0
AGAIN_SECONDS = 30.0


@dataclass
class Question:
    """About one use case.

    Attributes:
        releases: ids of those that are to be served.
        objection: what the registry said; empty: nothing; None: it has not answered yet.
        answered: when, by the clock.
    """

    releases: frozenset[str]
    objection: str | None = None
    answered: float | None = None


class RegistryCheck:
    """What the registry says about use cases.

    Args:
        ask: names of use cases -> objections, for those that it has any against.
        exists: whether there is a registry.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[str]], dict[str, str]],
        exists: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._exists, self._clock = ask, exists, clock
        self._questions: dict[str, Question] = {}
        self._lock, self._is_asking = threading.Lock(), False

    def objection(self, use_case: str, releases: frozenset[str]) -> str | None:
        """Against serving these releases; empty: none; None: the registry is being asked. Waits for nothing."""
        if not self._exists():
            return ""
        with self._lock:
            known = self._questions.get(use_case)
            if known is None or known.releases != releases:
                known = self._questions[use_case] = Question(releases)
            elif known.objection and known.answered is not None and self._clock() - known.answered >= AGAIN_SECONDS:
                known.answered = None
            if known.answered is None and not self._is_asking:
                self._is_asking = True
                threading.Thread(target=self._ask_all, name="registry-check", daemon=True).start()
            return known.objection

    def _ask_all(self) -> None:
        while True:
            with self._lock:
                waiting = {name: one for name, one in self._questions.items() if one.answered is None}
                self._is_asking = bool(waiting)
                if not waiting:
                    return
            found = self._ask(sorted(waiting))
            with self._lock:
                for name, question in waiting.items():
                    question.objection, question.answered = found.get(name, ""), self._clock()


def registry_check(environment: Environment) -> RegistryCheck:
    """The check of an installation."""
    return RegistryCheck(lambda names: _asked(environment, names), lambda: has_registry(environment))


def _asked(environment: Environment, names: Sequence[str]) -> dict[str, str]:
    command = [sys.executable, "-m", "ft_platform.programs.registry", *names]
    variables = {**os.environ, **environment.to_variables()}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=variables, timeout=ASK_SECONDS, check=False
        )
        lines, why = done.stdout, f"code {done.returncode}"
    except subprocess.TimeoutExpired as error:
        lines, why = error.stdout or b"", f"not within {ASK_SECONDS:.0f} seconds"
    except OSError as error:
        lines, why = b"", type(error).__name__
    whole = lines[: lines.rfind(b"\n") + 1].splitlines()
    found = {one["use_case"]: one["disagreement"] for one in map(json.loads, whole)}
    if silent := ", ".join(sorted(set(names) - found.keys())):
        LOG.warning(f"the registry did not answer about {silent} ({why}): what is new there is served without its word")
    return {name: said for name, said in found.items() if said}

"""The use case of `ft loop`, in an installation of its own: the file of the demo, with what the loop needs."""

import csv
import fcntl
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml

from ft_platform.errors import ConfigError
from ft_platform.onboarding.rehearsal.loop.stream import ROWS, SEED, Sentence
from ft_platform.sources.samples import feedback
from ft_platform.use_case.settings.environment import SHIPPED, Environment

USE_CASE = "customer_feedback"
CONSENT, PURPOSE = "yes", "sorting of customer feedback"
SOURCE = "feedback.csv"
ROLLOUT = {"share": 0.5, "min_requests": 30, "max_requests": 100, "min_agreement": 0.3, "max_p95_ratio": 20.0}
"""`max_requests`: two days. `min_agreement`: the new model is meant to answer otherwise. `max_p95_ratio`: the machine
does other work as well."""


def installation(environment: Environment, name: str) -> Environment:
    """An installation below the home of another one, with the base model in the cache of that one."""
    home = environment.home / "loop" / name
    return environment.model_copy(update={"home": home, "defs": home / "defs", "lake_root": None, "lake_keys": {}})


@contextmanager
def alone(environment: Environment) -> Iterator[None]:
    """Keeps a second loop out of an installation of `installation` while one is played there.

    Raises:
        ConfigError: one is.
    """
    folder = environment.home.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{environment.home.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError([f"a loop is played in {environment.home}"], "Wait until it has ended") from None
        yield


def prepared(environment: Environment, changes: dict[str, Any] | None = None) -> Environment:
    """The installation with its file and its source, as they are before anything is asked.

    Args:
        changes: section -> settings that replace those of the demo.
    """
    environment.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = environment.home / SOURCE
    source.write_text(feedback.generate(ROWS, SEED)[0], encoding="utf-8")
    folder = environment.defs / USE_CASE
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = yaml.safe_load((SHIPPED / USE_CASE / "defs.yaml").read_text(encoding="utf-8"))
    file["attributes"] |= {
        "source": {"uri": str(source), "feedback": {"join": True, "max_share": 0.3}},
        "monitoring": {"capture": {"share": 1.0, "purpose": PURPOSE}},
        "retraining": {
            "mode": "by_reasons",
            "start": "champion",
            "when": {"decline": 0.05, "decline_days": 2, "cool_down_days": 0, "new_records": 1_000_000},
        },
        "serving": {
            "targets": {"local": {"kind": "local", "url": f"http://127.0.0.1:{_free_port()}"}},
            "parity_records": 30,
            "rollout": ROLLOUT,
        },
        **(changes or {}),
    }
    (folder / "defs.yaml").write_text(yaml.safe_dump(file, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return environment


def roll_out(environment: Environment, use_case: str, mode: str) -> None:
    """Writes into the file of a use case how the next release takes over."""
    path = environment.defs / use_case / "defs.yaml"
    file = yaml.safe_load(path.read_text(encoding="utf-8"))
    file["attributes"]["serving"].setdefault("rollout", {})["mode"] = mode
    path.write_text(yaml.safe_dump(file, sort_keys=False, allow_unicode=True), encoding="utf-8")


def add_to_source(environment: Environment, labelled: Sequence[Sentence], day: str) -> None:
    """Adds posts of new customers, whose right labels are known."""
    ages, regions = list(feedback.AGE_GROUPS), list(feedback.REGIONS)
    with (environment.home / SOURCE).open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, one in enumerate(labelled, 1):
            of = int(one.review)
            about = {"Feedback ID": f"L-{day}-{number:04d}", "Customer": f"N-{of}", "Received": day}
            about |= {"Product": one.product, "Feedback": one.text, "Sentiment": one.label, "May be used": CONSENT}
            about |= {"Age group": ages[of % len(ages)], "Region": regions[of % len(regions)]}
            writer.writerow([about[column] for column in feedback.COLUMNS])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]

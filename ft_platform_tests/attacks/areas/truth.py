"""A page that hopes more than the gate: something changes after a checkpoint was accepted, and the state of the use
case, which every page shows, must not say any more that it may be released."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from unittest.mock import patch

from ft_platform.lake.taint import NOT_TAINTED, SAW_NO_ERASED
from ft_platform.reporting.use_case_state import state_of
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.release.evidence_case import EvidenceCase

REPORTS = ("evaluation_report", "fairness_report", "privacy_report", "regression_report")


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Each kind of change `size` times."""
    for number in range(size):
        for name, change in CHANGES.items():
            seed = random.randrange(1 << 30)
            yield f"{name}: {number}", functools.partial(_hopes, change, Random(seed), folder / f"{name}{number}")


def _hopes(change: Callable[[EvidenceCase, Random], None], random: Random, home: Path) -> str | None:
    made = EvidenceCase(home).publish()
    made.published_decision()
    if not state_of(made.lake, made.use_case.name, made.use_case).is_good:
        return "what was accepted and did not change is not said to be"
    change(made, random)
    state = state_of(made.lake, made.use_case.name, made.use_case)
    hopeful = state.is_good or "It may be released." in state.all_words
    return f"it is said that {' '.join(state.all_words)}" if hopeful else None


def _tainted(made: EvidenceCase, random: Random) -> None:
    rows = random.randint(1, 500)
    check, why = random.choice([(NOT_TAINTED, "consent_withdrawn"), (SAW_NO_ERASED, "erased")])
    made.lake.add_verdict(made.versions["adapter_checkpoint"], check, False, "", {"rows": rows, "reasons": {why: rows}})


def _altered(made: EvidenceCase, random: Random) -> None:
    folder = Path(made.versions[random.choice(REPORTS)].uri)
    file = random.choice(sorted(path for path in folder.iterdir() if path.suffix == ".json"))
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(content)


def _other_weights(made: EvidenceCase, random: Random) -> None:
    (Path(made.versions["adapter_checkpoint"].uri) / "weights.json").write_bytes(random.randbytes(20))


def _stricter(made: EvidenceCase, random: Random) -> None:
    made.policy = Policy(name="stricter", suites=[random.choice(("safety", "law", "code"))])
    made._settle()


CHANGES = {"tainted": _tainted, "altered": _altered, "other weights": _other_weights, "stricter policy": _stricter}

AREA = Area(
    "truth",
    cases,
    {"whether a decision holds now": lambda: patch("ft_platform.release.standing_now._refusal", lambda *_: "")},
)

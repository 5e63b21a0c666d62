"""Servers that want the traffic of a release without answering as it was evaluated: by another prompt, by other labels,
or by nothing but ties."""

import functools
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unittest.mock import patch

from ft_platform.serving import parity
from ft_platform.serving.causes import Asked, Golden
from ft_platform_tests.attacks.area import Area, Attack

EVALUATED = 400
"""Records of the evaluation; half of the widest interval of a share of so many is 0.049."""


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Each kind of attack `size` times."""
    for number in range(size):
        records = random.randrange(100, 300)
        ours = random.random() < 0.5
        more = random.choice([-2, -1, 1, 30])
        yield f"{number} prompts of {more:+} tokens", functools.partial(_asked, records, ours, more=more)
        wrong = random.randrange(records // 50, records)
        yield f"{number} {wrong} of {records} other labels", functools.partial(_asked, records, False, wrong=wrong)
        few = random.randrange(records // 60 + 1, records // 25)
        yield f"{number} {few} of {records} other labels, few", functools.partial(_asked, records, False, wrong=few)
        yield f"{number} one other label on our engine", functools.partial(_asked, records, True, wrong=1)
        ties = random.randrange(records // 15, records)
        yield f"{number} {ties} of {records} ties", functools.partial(_asked, records, True, ties=ties)


def _asked(records: int, ours: bool, more: int = 0, wrong: int = 0, ties: int = 0) -> str | None:
    """Whether it would get the traffic."""
    golden = [Golden(str(n), [{"role": "user", "content": str(n)}], (1, 2, 3), "card", 0.51) for n in range(records)]

    def ask(messages: list[dict[str, str]]) -> Asked:
        number = int(messages[0]["content"])
        close = {"card": 0.495, "loan": 0.505} if number < wrong + ties else {"card": 0.52, "loan": 0.48}
        surely = {"card": 0.1, "loan": 0.9}
        said = "loan" if number < wrong + ties else "card"
        return Asked(said, None, 3 + more, "stop", 0.1, surely if number < wrong else close)

    found = parity.compare(ask, golden, ours, EVALUATED)
    return f"it gets the traffic: {parity.in_words(found)}" if found["ok"] else None


AREA = Area(
    "parity",
    cases,
    {
        "prompts_are_compared": lambda: patch.object(Asked, "has_prompt_of", lambda self, golden: True),
        "most_decisions_are_equal": lambda: patch.object(parity, "LEAST_EQUAL", 0.0),
        "ties_are_bounded": lambda: patch.object(parity, "most_others", lambda evaluated: 1.0),
    },
)

"""People who want to see records that are not theirs to see, or longer, or unseen; and records that want to steer a
terminal. Persons are fictitious."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from unittest.mock import patch

from ft_platform.commands.look import lines_of
from ft_platform.errors import ConfigError
from ft_platform.errors.printable import UNSAFE
from ft_platform.lake.keys.key_ring import KeyRing
from ft_platform.people.looks.door import Door, LookEnded, SecondPersonNeeded, Wanted
from ft_platform.people.may import Permissions, Ruling
from ft_platform.people.person import Person
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.looks import Looks
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.people.logs import opened
from ft_platform_tests.tables import use_case

DORA = "dora@example.org"
WANTED = Wanted("complaints", "cleaned_records", "incident", "Ticket 4711 of today", 50)
SPELLINGS = (str.upper, str.title, str.swapcase, str)
STEERING = "\x1b\x07\x08\x9b\x00\r\x7f\u202e\u2066\u2028\u200b\u200d\ufeff\U000e0041"


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Each kind of attack `size` times."""
    for number in range(size):
        place = folder / str(number)
        stranger = random.choice(
            [
                DORA.replace("a", "\u0430"),
                f"{DORA}.evil.example",
                f"x{DORA}",
                "team:data",
                "",
                "*",
                f"{random.randrange(10**6)}@example.org",
            ]
        )
        yield f"{number} {stranger!r} looks", functools.partial(_looks, stranger, place / "a")
        more = random.choice(
            [
                {"purpose": random.choice(["curiosity", "", "incident ", "INCIDENT"])},
                {"reason": random.choice(["", " " * 40, "no"])},
                {"rows": random.randrange(101, 10**6)},
                {"minutes": random.randrange(61, 10**6)},
            ]
        )
        yield f"{number} more than the policy allows: {more}", functools.partial(_asks, more, place / "b")
        spelled = random.choice(SPELLINGS)(DORA)
        yield f"{number} {spelled!r} confirms", functools.partial(_confirms, spelled, place / "c")
        yield f"{number} a page after the end", functools.partial(_late, random.randrange(1, 10**6), place / "d")
        yield f"{number} more pages", functools.partial(_pages, random.randrange(1, 50), place / "e")
        ids = [f"person-{random.randrange(10**6)}" for _ in range(3)]
        yield f"{number} ids in the log", functools.partial(_logged, ids, place / "f")
        text = "".join(random.choice([*STEERING, "a", "\n"]) for _ in range(200))
        yield f"{number} a record steers the terminal", functools.partial(_steers, text)


def _door(folder: Path, **rules: object) -> Door:
    case = use_case(owners={"accountable": "anna@example.org", "data_engineering": DORA})
    permissions = Permissions(use_cases={"complaints": case})
    ring = KeyRing({1: b"1" * 32})
    return Door(opened(Environment(home=folder)), permissions, Looks.model_validate(rules), lambda: ring)


def _looks(name: str, folder: Path) -> str | None:
    try:
        _door(folder).enter(Person(name), WANTED)
    except ConfigError:
        return None
    return "somebody who may not looks"


def _asks(more: dict, folder: Path) -> str | None:
    try:
        _door(folder).enter(Person(DORA), replace(WANTED, **more))
    except ConfigError:
        return None
    return "the look is opened"


def _confirms(name: str, folder: Path) -> str | None:
    door = _door(folder, second_person=["records"])
    try:
        door.enter(Person(DORA), WANTED)
    except SecondPersonNeeded:
        pass
    else:
        return "nobody had to confirm it"
    try:
        door.confirm(Person(name), 1)
    except ConfigError:
        return None
    return "whoever asked confirms their own look"


def _late(seconds: int, folder: Path) -> str | None:
    door = _door(folder)
    look = door.enter(Person(DORA), WANTED)
    after = datetime.now(UTC) + timedelta(minutes=30, seconds=seconds)
    try:
        replace(door, now=lambda: after).show(look, Person(DORA), "cleaned_records@0", ["r1"])
    except LookEnded:
        return None
    return "a page is shown after the end"


def _pages(rows: int, folder: Path) -> str | None:
    """Goes on with the look as it was before each page."""
    door = _door(folder)
    look = door.enter(Person(DORA), replace(WANTED, rows=rows))
    try:
        for number in range(rows + 1):
            door.show(look, Person(DORA), "cleaned_records@0", [f"r{number}"])
    except LookEnded:
        return None
    return "more records are shown than were asked for"


def _logged(ids: list[str], folder: Path) -> str | None:
    door = _door(folder)
    door.show(door.enter(Person(DORA), WANTED), Person(DORA), "cleaned_records@0", ids)
    text = "".join(path.read_text() for path in Path(door.log.files.folder).rglob("*.jsonl"))
    return "an id stands in the log" if any(one in text for one in ids) else None


def _steers(text: str) -> str | None:
    shown = "\n".join(lines_of({"label": text, "messages": [{"role": "user", "content": text}]}))
    return "a sign reaches the terminal" if UNSAFE.search(shown) or set(shown) & set(STEERING) else None


AREA = Area(
    name="looks",
    cases=cases,
    defences={
        "look_right": lambda: patch.object(Permissions, "may", lambda *_: Ruling(True, "data_engineering", "")),
        "look_policy": lambda: patch.object(Door, "_problems", lambda *_: []),
        "look_second_person": lambda: patch.object(Door, "_needs_second_person", lambda *_: False),
        "look_end": lambda: patch.object(Door, "_require_open", lambda _, look: look),
        "look_count": lambda: patch.object(Door, "_found", lambda self, number: _first_look(self, number)),
        "look_hashes": lambda: patch.object(Door, "_hashed", lambda _self, _look, ids: ids),
        "look_signs": lambda: patch("ft_platform.cleaning.differences.visible", lambda text: text),
    },
)


def _first_look(door: Door, number: int) -> object:
    """A look as it was opened, whatever was shown since."""
    from itertools import islice

    from ft_platform.people.looks.look import looks_in

    return looks_in(islice(door.log.entries(number), 1))[number]

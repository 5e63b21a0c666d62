"""Edited files of use cases and of the installation: each loads with what it says, or is refused with file and line;
none hangs or takes another one down."""

import contextlib
import io
import json
import math
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

import yaml

import ft_platform
from ft_platform import cli
from ft_platform.errors import ConfigError
from ft_platform.orchestration import loading
from ft_platform.use_case import problems as schema_problems
from ft_platform.use_case import yaml_file
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.attacks.area import Area, Attack

SHIPPED = sorted((Path(ft_platform.__file__).parent / "defs").glob("*/defs.yaml"))
INSTALLATION = """\
# What an installation may set.
home: there
tracking_uri: none
trackers: [mlflow]
reports_url: http://127.0.0.1:3001
profiles:
  local: {price_per_hour: 0.5, watts: 65}
  gpu_large:
    backend: torchrun
    processes: 2
    environment: {OMP_NUM_THREADS: "2"}
budgets:
  per_month: 100
  use_cases: {complaint_routing: 20.5}
"""
SECONDS = 5
PLACED = re.compile(r" \((\S*(?:defs|ft_environment)\.yaml):(\d+)\)$")
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]")
SIGNS = [
    "\x1b",
    "\0",
    "\t",
    "\r",
    "\u202e",
    "\ufeff",
    "\u2028",
    "\x85",
    "\x9b",
    "'",
    '"',
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!",
    "!!set ",
    "%",
    "|",
    ">",
    ":",
    "#",
    "- ",
    "?",
]
SIGNS += ["<<: ", "\U0001f600", "\n", "---\n", "...\n", "@", "`", "=", ",", "~", "\\"]
VALUES: dict[str, Any] = {
    "true": True,
    "no": False,
    "null": None,
    "0": 0,
    "-1": -1,
    "7": 7,
    "0.5": 0.5,
    "1e3": 1e3,
    "1e999": math.inf,
    ".nan": math.nan,
    "-.inf": -math.inf,
    "0400": "0400",
    "1:30": "1:30",
    "0x1f": "0x1f",
    "'2'": "2",
    '""': "",
    "text": "text",
    '"\\e[31m"': "\x1b[31m",
    '"\\u202e"': "\u202e",
    "9" * 400: int("9" * 400),
    "x" * 5000: "x" * 5000,
    "[]": [],
    "{}": {},
    "[a, b]": ["a", "b"],
    "{a: 1}": {"a": 1},
    "[[[[1]]]]": [[[[1]]]],
    "'{{ env.HOME }}'": None,
    "'{{ secrets.x }}'": None,
    "../../../etc/passwd": "../../../etc/passwd",
    "2020-01-01": None,
    "\u212a": "\u212a",
    "1_000": 1000,
}
"""A value as it is written -> what it means in YAML 1.2; None: only that it is loaded or refused."""
REFUSED = [
    "!!set {a}",
    "!!str x",
    '!!float "2"',
    "!!binary aGk=",
    "!!python/name:os.system",
    "!x y",
    "*anchor",
    "9" * 5000,
    "2020-13-45",
    '"\\ud800"',
    "[" * 40 + "]" * 40,
]
"""Never a value, wherever it stands."""


KEYS = [
    *(
        "null",
        "~",
        "true",
        "no",
        "1",
        "-1",
        "1.5",
        ".nan",
        ".inf",
        "0x10",
        "9" * 30,
        "9" * 5000,
        "2020-01-01",
        "''",
        "' '",
    ),
    *(
        "[a]",
        "{a: b}",
        "? a\n",
        "<<",
        "&a b",
        "*a",
        "!!str a",
        "'[]'",
        "'[key]'",
        "'.'",
        "'a.b'",
        '"\\n"',
        '"\\0"',
        "kind",
    ),
    *("attributes", "type", "model_config", "__class__", "self", "\u00e9", "'" + "k" * 3000 + "'", '"\\ud800"'),
]
"""What stands in place of a name, or as one name more."""
MERGES = [
    "x: &a {y: *a}",
    "<<: {description: x}",
    "<<: [{description: x}, {description: y}]",
    "x: &a [1]\n  y: *a",
    "? {a: {b: [c]}}\n  : 1",
    "x: " + "{x: " * 60 + "1" + "}" * 60,
]
"""Anchors, merges and recursion as a line of the attributes."""


class Late(BaseException):
    """No `OSError`, which is what a file that cannot be read ends with."""


@contextmanager
def in_time() -> Iterator[None]:
    def late(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def edits(random: Random, text: str, number: int) -> Iterator[tuple[str, str, tuple[int, Any] | None]]:
    """(kind, edited text, (line, value that stands there) where that is known; a text of `REFUSED` must not load)."""
    lines = text.splitlines(keepends=True)
    written = [place for place, line in enumerate(lines) if line.strip() and not line.strip().startswith("#")]
    plain = [place for place in written if re.match(r"^\s*[a-z_]+: [^\s\[{'\"#]", lines[place])]
    number_at = next(place for place in plain if re.search(r": [0-9]", lines[place]))
    for shown in ("true", '!!int "2"'):
        edited = re.sub(r": .*", f": {shown}", lines[number_at])
        yield (
            "a number that is none",
            "".join([*lines[:number_at], edited, *lines[number_at + 1 :]]),
            (number_at, REFUSED),
        )
    for _ in range(number):
        place, other = random.choice(written), random.choice(written)
        yield "without a line", "".join(lines[:place] + lines[place + 1 :]), None
        yield "a line twice", "".join([*lines[: place + 1], *lines[place:]]), None
        yield "a line elsewhere", "".join([*lines[:other], lines[place], *lines[other:]]), None
        yield (
            "indented",
            "".join([*lines[:place], " " * random.randint(1, 5) + lines[place], *lines[place + 1 :]]),
            None,
        )
        yield "outdented", "".join([*lines[:place], lines[place][random.randint(1, 2) :], *lines[place + 1 :]]), None
        yield "cut", text[: random.randrange(len(text))], None
        start = random.randrange(len(text))
        yield "a sign more", text[:start] + random.choice(SIGNS) + text[start:], None
        yield "a sign less", text[:start] + text[start + 1 :], None
        yield "another sign", text[:start] + chr(random.randrange(0x300)) + text[start + 1 :], None
        yield (
            "another key",
            "".join(
                [
                    *lines[:place],
                    re.sub(r"[a-z]", lambda m: chr(random.randrange(97, 123)), lines[place], count=1),
                    *lines[place + 1 :],
                ]
            ),
            None,
        )
        place = random.choice(plain)
        key = lines[place].split(":")[0]
        for shown, value in ((random.choice(list(VALUES)), None), (random.choice(REFUSED), REFUSED)):
            told = VALUES.get(shown) if value is None else REFUSED
            yield "another value", "".join([*lines[:place], f"{key}: {shown}\n", *lines[place + 1 :]]), (place, told)
        start, key, end = re.match(r"^(\s*(?:- )?)([^:\n]*)(.*)$", lines[place], re.DOTALL).groups()  # type: ignore[union-attr]
        odd = random.choice(KEYS)
        yield "a key that is no name", "".join([*lines[:place], f"{start}{odd}{end}", *lines[place + 1 :]]), None
        yield "a key more", "".join([*lines[:place], f"{start}{odd}: 1\n", *lines[place:]]), None
        inside = f"{start}{key}: {{{odd}: {random.choice(list(VALUES))}}}\n"
        yield "a key inside", "".join([*lines[:place], inside, *lines[place + 1 :]]), None
        merged = f"  {random.choice(MERGES)}\n"
        yield "a merge", "".join([*lines[:-1], lines[-1].rstrip("\n") + "\n", merged]), None
        key = lines[place].split(":")[0]
        yield (
            "an odd key",
            "".join([*lines[:place], f"{key.rstrip()}{random.choice(['_x', ' y', chr(0x301)])}: 1\n", *lines[place:]]),
            None,
        )


def judged(problems: list[str], lines: int) -> str | None:
    """What is wrong with a refusal."""
    for problem in problems:
        found = PLACED.search(problem)
        if not found or int(found[2]) > lines + 1:
            return "a problem without file and line"
        if UNPRINTABLE.search(problem) or "\n" in problem or len(problem) > 2000 or "Traceback" in problem:
            return "a problem that is no line to read"
    return None if problems else "refused without a reason"


def same(found: Any, meant: Any) -> bool:
    return found == meant and isinstance(found, bool) == isinstance(meant, bool)


def holds(settings: Any, value: Any) -> bool:
    """Whether a value stands somewhere in what was loaded."""
    if same(settings, value):
        return True
    below = settings.values() if isinstance(settings, dict) else settings if isinstance(settings, list) else []
    return any(holds(one, value) for one in below)


def loads(text: str, meant: tuple[int, Any] | None, load: Callable[[bytes], Any]) -> Attack:
    def attack() -> str | None:
        try:
            with in_time():
                settings = load(text.encode("utf-8", "surrogatepass"))
        except Late:
            return "it hangs"
        except ConfigError as error:
            return judged(error.problems, len(text.splitlines()))
        if meant is None or meant[1] is None:
            return None
        if meant[1] is REFUSED:
            return "what is no value was loaded"
        return None if holds(settings, meant[1]) else "loaded as something else"

    return attack


def _use_case(folder: Path) -> Callable[[bytes], Any]:
    def load(content: bytes) -> Any:
        (folder / "defs.yaml").write_bytes(content)
        return load_use_case(folder).settings.model_dump(mode="json")

    return load


def _environment(folder: Path) -> Callable[[bytes], Any]:
    def load(content: bytes) -> Any:
        (folder / "ft_environment.yaml").write_bytes(content)
        with patch.dict(os.environ, {"FT_ENVIRONMENT": str(folder / "ft_environment.yaml")}):
            for name in [name for name in os.environ if name.startswith("FT_") and name != "FT_ENVIRONMENT"]:
                del os.environ[name]
            found = load_environment().model_dump(mode="json")
        return {**found, "home": Path(found["home"]).name}

    return load


FILES: dict[str, Callable[[Path], Any]] = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a large file": lambda path: path.write_text("a: [" + "b, " * 200_000 + "]"),
    "bytes": lambda path: path.write_bytes(bytes(range(256))),
    "UTF-16": lambda path: path.write_bytes("type: x".encode("utf-16")),
    "a key without a name": lambda path: path.write_text(
        re.sub(r"^attributes:", "attributes:\n  null: 1", SHIPPED[0].read_text(), flags=re.MULTILINE)
    ),
}
CODE = {
    "exits": "raise SystemExit(3)",
    "panics": "class Panic(BaseException): ...\nraise Panic('x')",
    "raises": "1 / 0",
    "recurses": "def f(): f()\nf()",
    "has no class": "",
    "is no Python": "class :",
    "stops": "raise StopIteration",
}


def beside_a_healthy_one(folder: Path, plant: Callable[[Path], Any]) -> Attack:
    """The graph of all use cases, one of which is hostile: it alone does not load."""

    def attack() -> str | None:
        defs = folder / "defs"
        for name, text in (("healthy", SHIPPED[0].read_text()), ("hostile", SHIPPED[0].read_text())):
            (defs / name).mkdir(parents=True)
            (defs / name / "defs.yaml").write_text(text)
        plant(defs / "hostile")
        try:
            with in_time():
                graph = (
                    loading.load_definitions(Environment(home=folder / "home", defs=defs))
                    .get_repository_def()
                    .asset_graph
                )
        except BaseException as error:  # `SystemExit` of its code is what is looked for
            return f"all use cases end with {type(error).__name__}"
        keys = {tuple(key.path) for key in graph.get_all_asset_keys()}
        return (
            None
            if ("healthy", "splits") in keys and ("hostile", "does_not_load") in keys
            else "another use case is gone, or the hostile one loads"
        )

    return attack


def _file(made: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def plant(folder: Path) -> None:
        (folder / "defs.yaml").unlink()
        made(folder / "defs.yaml")

    return plant


def _code(code: str, *, as_json: bool) -> Callable[[Path], Any]:
    def plant(folder: Path) -> None:
        (folder / "component.py").write_text(code)
        text = (folder / "defs.yaml").read_text().replace("ft_platform.components.FineTuningUseCase", ".component.Own")
        (folder / "defs.yaml").write_text(json.dumps(yaml.safe_load(text)) if as_json else text)

    return plant


def on_a_terminal(folder: Path, sign: str, where: str) -> Attack:
    """`ft check` and `ft list` with a sign that a terminal obeys in a name or value."""

    def attack() -> str | None:
        defs = folder / "defs"
        name = f"a{sign}b" if where == "folder" else "letters"
        (defs / name).mkdir(parents=True)
        text = SHIPPED[0].read_text()
        escaped = json.dumps(f"Routes letters {sign} to people.")
        if where == "value":
            text = re.sub(r"description: .*", lambda _: f"description: {escaped}", text, count=1)
        if where == "key":
            text += f"\n  {escaped}: 1\n"
        (defs / name / "defs.yaml").write_text(text)
        shown = io.StringIO()
        with (
            patch.dict(os.environ, {"FT_DEFS": str(defs), "FT_HOME": str(folder / "home")}),
            contextlib.redirect_stdout(shown),
            contextlib.redirect_stderr(shown),
        ):
            for command in ("check", "list"):
                cli.main([command])
        return "the terminal gets the sign itself" if UNPRINTABLE.search(shown.getvalue()) else None

    return attack


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    for file in SHIPPED:
        here = folder / file.parent.name
        here.mkdir()
        for number, (kind, text, meant) in enumerate(edits(random, file.read_text(), size)):
            yield f"{file.parent.name}: {kind} {number}", loads(text, meant, _use_case(here))
    for number, (kind, text, meant) in enumerate(edits(random, INSTALLATION, size)):
        yield f"ft_environment.yaml: {kind} {number}", loads(text, meant, _environment(folder))
    for name, made in FILES.items():
        yield f"defs.yaml is {name}", beside_a_healthy_one(folder / f"file {name}", _file(made))
    for name, code in CODE.items():
        for as_json in (False, True):
            yield (
                f"component.py {name}{', type in JSON' * as_json}",
                beside_a_healthy_one(folder / f"code {name} {as_json}", _code(code, as_json=as_json)),
            )
    for number in range(min(size, 10)):
        sign, where = (
            random.choice(["\x1b[31m", "\x9b2J", "\u202e", "\x07", "\x85"]),
            ["folder", "value", "key"][number % 3],
        )
        yield f"terminal: {where} {number}", on_a_terminal(folder / f"terminal {number}", sign, where)


@contextmanager
def _lax() -> Iterator[None]:
    class Lax:
        @staticmethod
        def model_validate(values: Any, **_: Any) -> UseCase:
            return UseCase.model_validate(values)

    with patch.object(schema_problems, "UseCase", Lax):
        yield


@contextmanager
def _as_it_comes(*_: Any) -> Iterator[None]:
    yield


def _unforeseen_goes_on(_: Path, error: Exception) -> None:
    raise error


@contextmanager
def _faults_of_all() -> Iterator[None]:
    """Code of a use case is taken as it comes, and nothing behind it catches what nobody foresaw."""
    with patch.object(loading, "_own_code", _as_it_comes), patch.object(loading, "unforeseen", _unforeseen_goes_on):
        yield


def _whole(path: Path) -> bytes:
    return b"" if path.is_char_device() else path.read_bytes()  # what `/dev/zero` holds is endless


AREA = Area(
    name="yaml",
    cases=cases,
    defences={
        "yaml_regular_files": lambda: patch.object(yaml_file, "read_bytes", _whole),
        "yaml_strict_types": _lax,
        "yaml_no_tags": lambda: patch.object(yaml_file.Loader, "compose_node", cast(Any, yaml.SafeLoader.compose_node)),
        "yaml_own_code": _faults_of_all,
        "yaml_printable": lambda: patch.object(cli, "printable_streams", contextlib.nullcontext),
    },
)

"""A lake of a later format is refused, with the next step, before anything is written to it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.errors import NewerLake
from ft_platform.lake import journal
from ft_platform.lake.inspection import adopt, inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.lake.test_check import lake  # noqa: F401
from ft_platform_tests.lake.test_store import SCHEMA, rows


def written_by_a_later_version(lake: Lake) -> None:  # noqa: F811
    """The next format may look like this: its newest entry has something that is not known here."""
    seals = lake.seals("legal")
    assert seals
    [chain] = Path(lake.folder, "shared", "legal", "seals").glob("*.jsonl")
    *lines, newest = chain.read_bytes().splitlines()
    later = json.dumps({**json.loads(newest), "format": journal.FORMAT + 1, "unheard_of": "x"}).encode()
    chain.write_bytes(b"\n".join([*lines, later]) + b"\n")
    head = {"number": len(lines), "sha256": hashlib.sha256(later).hexdigest(), "at": "2030-01-01T00:00:00+00:00"}
    seals.journal.head.path.write_text(json.dumps(head))


def contents(environment: Environment) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in environment.home.rglob("*") if path.is_file()}


def splits(lake: Lake) -> TableVersion:  # noqa: F811
    return TableVersion("legal", "splits", "shared", 1, "c", 2, lake.uri("shared", "legal", "tables", "splits"))


def published(lake: Lake) -> None:  # noqa: F811
    with lake.scratch("legal", "evaluation_report") as folder:
        folder.mkdir()
        (folder / "page.html").write_text("<p>figures</p>")
        lake.publish("legal", "evaluation_report", "eval-b", folder, parents=[], settings_hash="s", input_hash="i")


ACTS: dict[str, Callable[[Lake], object]] = {
    "read a table": lambda it: it.latest("legal", "splits"),
    "read a report": lambda it: it.artifact("legal", "evaluation_report", "eval-a"),
    "list reports": lambda it: it.artifacts("legal", "evaluation_report"),
    "write a table": lambda it: it.write_table("legal", "splits", rows("b"), SCHEMA, zone="shared"),
    "write a new table": lambda it: it.write_table("legal", "raw_records", rows("b"), SCHEMA, zone="restricted"),
    "publish a report": published,
    "note a verdict": lambda it: it.add_verdict(splits(it), "no_leakage", True, "s"),
    "inspect": lambda it: inspect(it, "legal"),
    "sign it anew": lambda it: adopt(it, "legal", note="somebody answers for it"),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_lake_of_a_later_format_is_refused_before_anything_is_written(
    environment: Environment,
    lake: Lake,  # noqa: F811
    act: str,
) -> None:
    written_by_a_later_version(lake)
    before = contents(environment)
    with pytest.raises(NewerLake, match=r"entries of format 2, and .* reads 1; nothing was written\. Use the version"):
        ACTS[act](open_lake(environment))
    changed = {path for path, content in contents(environment).items() if before.get(path) != content}
    assert {path for path in changed if not path.endswith((".lock", ".in_use"))} == set()


@pytest.mark.parametrize("words", [["lake", "check"], ["seals", "verify"], ["lake", "copy", "LAKE", "OTHER"]], ids=str)
def test_commands_say_so_in_a_line(
    lake: Lake,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: list[str],
) -> None:
    written_by_a_later_version(lake)
    other = tmp_path / "other"
    places = {"LAKE": lake.root, "OTHER": str(other)}
    assert cli.main([places.get(word, word) for word in words]) == 1
    told = capsys.readouterr()
    assert "pip install -U ft-platform" in told.err and (told.out + told.err).count("\n") <= 5
    assert not other.exists() or not list(other.rglob("seals"))


def test_an_entry_of_today_names_no_format_so_that_earlier_versions_read_it(lake: Lake) -> None:  # noqa: F811
    [chain] = Path(lake.folder, "shared", "legal", "seals").glob("*.jsonl")
    assert all("format" not in json.loads(line) for line in chain.read_text().splitlines())

"""The whole life of a lake on Azurite, fake-gcs-server and SeaweedFS: data stages, check, backup, a person erased,
retention, a restore, a copy. Persons are fictitious."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.unpacking import bytes_in
from ft_platform.lake.files import read_bytes
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.erasure.conftest import PERSON
from ft_platform_tests.erasure.test_whole import OWNERS, approved
from ft_platform_tests.governance.house import House, today
from ft_platform_tests.graph import records, write_csv
from ft_platform_tests.lake.object_store.stores import STORES

pytestmark = pytest.mark.slow
DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]
ENDS = "Ottoline Halloway"
"""Whose record is permitted until today."""


def some_records(count: int) -> list[dict[str, str]]:
    """Of one person each; the first is the one who asks to be erased, the second the one whose permission ends."""
    made = [{**row, "person": f"p{number}", "expires": ""} for number, row in enumerate(records(count))]
    made[0] |= {"person": PERSON}
    made[1] |= {"person": ENDS, "expires": today()}
    return made


def ft(capsys: pytest.CaptureFixture, *words: str, fails: int = 0) -> str:
    capsys.readouterr()
    code = cli.main(list(words))
    told = capsys.readouterr()
    assert code == fails, told.out + told.err
    assert PERSON not in told.out + told.err and ENDS not in told.out + told.err
    return told.out


def holding(lake: Lake, *words: str) -> int:
    """Bytes of words in all objects."""
    needles = Needles(words)
    return sum(bytes_in(read_bytes(lake.fs, path), needles)[0] for path in lake.fs.find(lake.folder))


@pytest.fixture(
    params=[
        pytest.param("azure", marks=pytest.mark.components(name="azure_lake")),
        pytest.param("gcs", marks=pytest.mark.components(name="gcs_lake")),
        pytest.param("s3", marks=pytest.mark.components(name="s3_lake")),
    ]
)
def house(
    request: pytest.FixtureRequest,
    installation: Environment,  # noqa: F811
    quick_stages: None,
    without_audit: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[House]:
    store = STORES[request.param]
    with store.started(tmp_path / "server") as address:
        backup = {"to": f"{store.root}/backups", "keys": str(tmp_path / "keys")}
        settings = tmp_path / "ft_environment.yaml"
        settings.write_text(json.dumps({"backup": backup}))
        place = {"FT_LAKE_ROOT": f"{store.root}/lake", "FT_ENVIRONMENT": str(settings)}
        for name, value in {**store.variables(address), **place}.items():
            monkeypatch.setenv(name, value)
        made = House(load_environment(), name="letters", expires=True)
        made.attributes |= {"owners": OWNERS, "retention": {"expired_days": 0}}
        write_use_case(installation.defs, "letters", made.attributes)
        write_csv(made.source, some_records(8))
        yield made


def test_a_lake_lives_on_a_store_as_on_a_disk(
    house: House, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment, root = house.environment, house.lake.root
    ft(capsys, "run", "letters", "--select", *DATA)
    assert "the lake is intact" in ft(capsys, "lake", "check")
    ft(capsys, "backup")
    first = json.loads(ft(capsys, "backup", "--json"))
    assert first["new_blocks"] <= 5 < first["files"], "a second one costs the difference"

    approved(capsys)
    erased = json.loads(ft(capsys, "erase", "subject", "letters", PERSON, "--json"))
    assert (erased["rows"], erased["bytes_found_after"]) == (5, 0) and erased["certificate"]
    assert holding(open_lake(environment), PERSON, subject_pseudonyms(environment, "letters", PERSON)[1]) == 0
    assert "the lake is intact" in ft(capsys, "lake", "check")
    [left] = json.loads(ft(capsys, "restore", "--list", "--json"))
    ft(capsys, "run", "letters", "--select", *DATA)
    raw = open_lake(environment).latest("letters", "raw_records")
    assert raw and raw.rows == 23, "the source cannot bring the person back"

    assert holding(open_lake(environment), ENDS) > 0
    monkeypatch.setattr("ft_platform.commands.retention.datetime", Tomorrow)
    deleted = json.loads(ft(capsys, "retention", "delete", "letters", "--json"))
    assert deleted["deletions"][0]["rows"] >= 5, deleted
    assert holding(open_lake(environment), ENDS, subject_pseudonyms(environment, "letters", ENDS)[1]) == 0
    ft(capsys, "retention", "sweep", "letters", "--json")
    assert "the lake is intact" in ft(capsys, "lake", "check")

    ft(capsys, "backup")
    assert left
    for name, value in {"DAGSTER_HOME": f"{environment.home}/", **environment.to_variables()}.items():
        if value.startswith(f"{environment.home}/"):  # keys and seals come out of the backup
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "drill"))
    monkeypatch.setenv("FT_LAKE_ROOT", root.replace("/lake", "/drill"))
    ft(capsys, "restore")
    assert "the lake is intact" in ft(capsys, "lake", "check")
    assert inspect(open_lake(load_environment()), "letters").tables > 5
    for target in (str(tmp_path / "disk"), root.replace("/lake", "/copy")):
        ft(capsys, "lake", "copy", root.replace("/lake", "/drill"), target)
        again = json.loads(ft(capsys, "lake", "copy", root.replace("/lake", "/drill"), target, "--json"))
        assert again["written"] <= 10 < again["files"] and again["problems"] == [], again
        monkeypatch.setenv("FT_LAKE_ROOT", target)
        assert "the lake is intact" in ft(capsys, "lake", "check")
        monkeypatch.setenv("FT_LAKE_ROOT", root.replace("/lake", "/drill"))


class Tomorrow:
    @staticmethod
    def now(zone: Any) -> Any:
        from datetime import datetime, timedelta

        return datetime.now(zone) + timedelta(days=1)

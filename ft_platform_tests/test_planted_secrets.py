"""Twenty-one values, each on a way of its own through a run as `ft run` makes it, and every byte outside `restricted/`
and `vault/` searched for them."""

import json
import os
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.compute.backends import local
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import StandInBackend, records, write_csv
from ft_platform_tests.planted import places_of, readable

pytestmark = pytest.mark.integration

SECRETS = {
    "name of a file": "zebulon.quillfeather7701@mail.example",
    "id of a record": "record-canary-7702",
    "person": "subject-canary-7703",
    "consent": "canary-consent-7704",
    "date": "born canary 7705",
    "e-mail in a text": "zebulon.canary7706@mail.example",
    "telephone in a text": "+1 212 555 7707",
    "card in a text": "4539 5787 6362 1486",
    "account in a text": "DE89 3704 0044 0532 0130 00",
    "word in the YAML": "Quillfeather7708",
    "printed while loading": "loading-canary-7709",
    "printed": "printed-canary-7710",
    "printed past Python": "native-canary-7711",
    "logged": "logged-canary-7712",
    "metadata": "metadata-canary-7713",
    "description of a check": "check-canary-7714",
    "returned": "returned-canary-7715",
    "exception": "exception-canary-7716",
    "panic": "panic-canary-7717",
    "message of a program": "message-canary-7718",
    "exception of a program": "program-canary-7719",
}
IN_TEXT = ("e-mail in a text", "telephone in a text", "card in a text", "account in a text", "word in the YAML")
OWN = f"""
import os, sys
import dagster as dg
from ft_platform.components import FineTuningUseCase

SECRETS = {SECRETS!r}
print(SECRETS["printed while loading"])


class Panic(BaseException):
    "What a panic in Rust becomes."


class Own(FineTuningUseCase):
    def build_defs(self, context=None):
        @dg.asset(key_prefix="letters", group_name="letters")
        def shows(context):
            print(SECRETS["printed"])
            os.write(2, SECRETS["printed past Python"].encode())
            context.log.warning(SECRETS["logged"])
            return dg.MaterializeResult(metadata={{"who": SECRETS["metadata"], "rows": 12}})

        @dg.asset_check(asset=shows)
        def fits():
            return dg.AssetCheckResult(passed=True, description=SECRETS["description of a check"])

        @dg.asset(key_prefix="letters", group_name="letters")
        def returns():
            return SECRETS["returned"]

        @dg.asset(key_prefix="letters", group_name="letters")
        def starts(context):
            program = "import sys; from dagster_pipes import open_dagster_pipes\\nwith open_dagster_pipes() as pipes:\\n"
            program += f"    pipes.log.info({{SECRETS['message of a program']!r}}); raise ValueError({{SECRETS['exception of a program']!r}})"
            return dg.PipesSubprocessClient().run(command=[sys.executable, "-c", program], context=context).get_results()

        @dg.asset(key_prefix="letters", group_name="letters")
        def raises():
            raise ValueError(SECRETS["exception"])

        @dg.asset(key_prefix="letters", group_name="letters", deps=[starts, raises, shows, returns, ["letters", "splits"]])
        def never(): ...

        @dg.asset(key_prefix="letters", group_name="letters", deps=[returns])
        def panics():
            raise Panic(SECRETS["panic"])

        own = [shows, returns, starts, raises, never, panics]
        return dg.Definitions.merge(super().build_defs(context), dg.Definitions(assets=own, asset_checks=[fits]))
"""  # noqa: E501


@pytest.fixture
def installation(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The use case `letters` with code of its own, on an installation that the command line finds."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    for name, value in {
        "FT_HOME": environment.home,
        "FT_DEFS": environment.defs,
        "FT_TRACKING_URI": f"sqlite:///{environment.home}/mlflow.db",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(local, "run", StandInBackend().run)
    rows = [{**row, "person": f"p{number}", "until": ""} for number, row in enumerate(records())]
    for row in (rows[0], rows[30], rows[60]):
        row["text"] += " Write to " + " or ".join(SECRETS[name] for name in IN_TEXT) + "."
    rows[1]["person"], rows[2]["consent"], rows[3]["id"] = (
        SECRETS["person"],
        SECRETS["consent"],
        SECRETS["id of a record"],
    )
    rows[4]["until"] = SECRETS["date"]
    source = tmp_path / "source"
    source.mkdir()
    attributes = minimal_attributes(str(write_csv(source / f"{SECRETS['name of a file']}.csv", rows)))
    attributes["record"] |= {"subject": "person", "expires": "until"}
    attributes["privacy"]["custom"] = {"OWN": {"words": [SECRETS["word in the YAML"]]}}
    file = write_use_case(environment.defs, "letters", attributes)
    file.write_text(file.read_text().replace("ft_platform.components.FineTuningUseCase", ".component.Own"))
    (file.parent / "component.py").write_text(OWN)
    return tmp_path


@pytest.mark.usefixtures("quick_stages")
def test_no_planted_value_is_outside_the_restricted_zone(
    installation: Path, environment: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "letters"]) == 1, "code of the use case fails on purpose"
    printed = capfd.readouterr()
    contents = readable(installation, besides=[installation / "source", environment.defs])
    contents["the terminal"] = (printed.out + printed.err).encode()
    assert {name: places for name, secret in SECRETS.items() if (places := places_of(secret, contents))} == {}
    assert any(place.endswith("index.db") for place in contents) and any(
        "/shared/letters/data_report/" in place for place in contents
    )
    kept = b"".join(
        file.read_bytes() for file in (environment.dagster_home / "restricted").rglob("*") if file.is_file()
    )
    lost = [name for name in list(SECRETS)[10:] if SECRETS[name].encode() not in kept]
    assert lost == [], "whoever may read the restricted zone finds what was withheld"
    assert all(
        file.stat().st_mode & 0o077 == 0
        for file in [environment.dagster_home / "restricted", *(environment.dagster_home / "restricted").iterdir()]
    )


def test_the_search_finds_what_is_packed(tmp_path: Path) -> None:
    """The test of the test: compressed, in a database, escaped."""
    secret = "Žofie canary 7720"
    with closing(sqlite3.connect(tmp_path / "some.db")) as database:
        database.execute("CREATE TABLE snapshots (body BLOB)")
        database.execute("INSERT INTO snapshots VALUES (?)", [zlib.compress(json.dumps({"who": secret}).encode())])
        database.commit()
    (tmp_path / "restricted").mkdir()
    (tmp_path / "restricted" / "some.txt").write_text(secret)
    assert places_of(secret, readable(tmp_path)) == ["some.db"]
    assert os.listdir(tmp_path / "restricted")

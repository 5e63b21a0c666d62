"""Fixtures of the whole suite. Persons in test data are fictitious."""

import base64
import gc
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from alembic.script import ScriptDirectory

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import from_dict
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tiers import TEST_ALL

REPOSITORY = Path(__file__).parent.parent
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side, and their models are tiny
gc.set_threshold(
    50_000, 20, 20
)  # garbage collections seldom: libraries hold millions of objects that stay until the end
os.fsync = lambda descriptor: None  # a third of the seconds of tests that write a lake; programs that tests start flush
# A shell starts background jobs with SIGINT ignored, and programs that tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """A file or test that is named on the command line runs in every tier but `slow` and `gpu`, unless -m says
    otherwise: who works on a file wants its expensive tests too."""
    given = config.invocation_params.args
    if hasattr(config, "workerinput") or any(str(word).startswith("-m") for word in given):
        return
    if any(".py" in str(word) and not str(word).startswith("-") for word in given):
        config.option.markexpr = TEST_ALL


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was not tested here, and what it would take: skipped tests counted by their reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("skipped, by what is missing")
    for reason, count in Counter(missing_part(report.longrepr) for report in skipped).most_common():
        terminalreporter.write_line(f"{count:5}  {reason}")


def missing_part(longrepr: Any) -> str:
    """The reason of a skipped test on one line, without file and line."""
    reason = " ".join(str(longrepr[2] if isinstance(longrepr, tuple) else longrepr).split()).removeprefix("Skipped: ")
    absent = re.match(r"could not import '([\w.]+)'", reason)
    return f"the package {absent[1]}" if absent else reason


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: one more than there are cores, since tests wait for programs and servers a fifth of their time."""
    return len(os.sched_getaffinity(0)) + 1


READ_MIGRATIONS = ScriptDirectory.from_config
MIGRATIONS: dict[str | None, ScriptDirectory] = {}


def migrations(config: Any) -> ScriptDirectory:
    """Each ephemeral instance of Dagster would read its 89 migrations twice, to note that it needs none."""
    place = config.get_main_option("script_location")
    return MIGRATIONS.get(place) or MIGRATIONS.setdefault(place, READ_MIGRATIONS(config))


ScriptDirectory.from_config = migrations  # pyright: ignore[reportAttributeAccessIssue]

PICTURES_ARE_DRAWN = True
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Pictures are drawn for tests marked `pictures`; elsewhere a dot stands in for each, for drawing took a fifth of
    the suite's time."""
    global PICTURES_ARE_DRAWN
    PICTURES_ARE_DRAWN = item.get_closest_marker("pictures") is not None
    from matplotlib.figure import Figure

    drawn = Figure.savefig
    if getattr(drawn, "draws_on_request", False):
        return

    def savefig(figure: Any, file: Any, **options: Any) -> None:
        if PICTURES_ARE_DRAWN:
            drawn(figure, file, **options)
        elif isinstance(file, str | Path):
            Path(file).write_bytes(DOT)
        else:
            file.write(DOT)

    savefig.draws_on_request = True  # pyright: ignore[reportFunctionMemberAccess]
    Figure.savefig = savefig  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(autouse=True)
def dagster_home_is_put_back() -> Iterator[None]:
    """Commands set it for the rest of their process."""
    before = os.environ.get("DAGSTER_HOME")
    yield
    if before is None:
        os.environ.pop("DAGSTER_HOME", None)
    else:
        os.environ["DAGSTER_HOME"] = before


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An installation in a temporary folder, with its own key and no tracker."""
    made = Environment(home=tmp_path / "home", defs=tmp_path / "defs", tracking_uri="none")
    made.defs.mkdir(parents=True)
    create_pseudonym_key(made)
    return made


@pytest.fixture
def lake(environment: Environment) -> Lake:
    return open_lake(environment)


@pytest.fixture
def quick_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that run the data stages many times."""
    make_stages_quick(monkeypatch)


def make_stages_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No profiles of tables, recall measured on a tenth of the annotated texts."""
    from ft_platform.privacy.gold import gold_texts

    monkeypatch.setattr("ft_platform.privacy.gold.gold_texts", partial(gold_texts, per_entity=2))
    for asset in ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"):
        monkeypatch.setattr(f"ft_platform.assets.{asset}.profile_link", lambda *_: {})


@pytest.fixture
def without_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a passed audit in place of the program, for use cases whose base model does not exist."""
    from types import SimpleNamespace

    from ft_platform_tests.graph import stand_in_audit

    def audited(context: Any, environment: Environment, use_case: Any, program: str, extras: dict[str, Any]) -> Any:
        assert program == "audit"
        return SimpleNamespace(artifact=stand_in_audit(open_lake(environment), use_case, from_dict(extras["splits"])))

    monkeypatch.setattr("ft_platform.assets.splits.run_program", audited)


@pytest.fixture
def shared_data() -> Path:
    """Folder of the public data sets; tests that need it are marked `real_data`."""
    folder = Path(os.environ.get("FT_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"public data sets are not in {folder}; set FT_SHARED_DATA")
    return folder


WITHOUT = "The persons of these tests are fictitious."
"""The reason why small test data names no quasi-identifiers."""


def minimal_attributes(source_uri: str) -> dict:
    """Attributes of a small classification use case with columns id, text, label, consent, region."""
    return {
        "description": "Routes complaints of fictitious customers to the right team.",
        "owners": {"accountable": "team:complaints"},
        "task": {"kind": "classification", "instruction": "Name the product of the complaint. One of: {labels}."},
        "source": {"uri": source_uri},
        "record": {
            "id": "id",
            "text": "text",
            "label": "label",
            "consent": "consent",
            "features": {"region": "region"},
        },
        "governance": {"purpose": "complaint routing", "accepted_consent": ["yes"], "licence": "proprietary"},
        "cleaning": {"min_characters": 5},
        "privacy": {"ner": "none", "without_quasi_identifiers": WITHOUT},
        "splits": {"min_rows_per_label": 3},
        "base_model": {"uri": "example/none"},
        "training": {"recipe": "manual"},
        "fairness": {"sensitive_features": ["region"]},
        "release": {"intended_use": "Tests of the platform."},
    }


def write_use_case(defs: Path, name: str, attributes: dict) -> Path:
    folder = defs / name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "defs.yaml"
    file.write_text(
        yaml.safe_dump({"type": "ft_platform.components.FineTuningUseCase", "attributes": attributes}, sort_keys=False)
    )
    return file

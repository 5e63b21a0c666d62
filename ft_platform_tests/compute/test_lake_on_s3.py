"""Programs on other machines that talk through a lake on a real S3 server, which refuses requests and loses answers:
they end as over a lake on a disk."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.compute import backends, elsewhere
from ft_platform.errors import FtError, TrainerRunning
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.compute.contract.case import PLANTED, Case, once, profile_module
from ft_platform_tests.infra.s3 import ADMIN, WEED, S3Server, s3_server
from ft_platform_tests.lake.object_store.proxy import Faults, proxy

pytestmark = [pytest.mark.slow, pytest.mark.components(name="s3_lake")]
BY_LAKE: Any = profile_module("by_lake")
STORM = {"refused": 0.1, "unanswered": 0.1, "slow_seconds": 0.05}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if not WEED.exists():
        pytest.skip("needs SeaweedFS: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER")
    with s3_server(tmp_path_factory.mktemp("s3") / "server", "000000000000", {}) as found:
        yield found


@pytest.fixture
def cases(
    server: S3Server, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Case, Case]]:
    """The step over a lake on the disk, and over one on S3."""
    monkeypatch.setenv("FT_WARM_PROGRAMS", "0")
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(elsewhere, "AGAIN_SECONDS", 0.5)
    backends.__path__.append(PLANTED)
    with proxy(server.address) as store:
        store.faults = Faults(**STORM)
        credentials = {"AWS_ACCESS_KEY_ID": ADMIN["accessKey"], "AWS_SECRET_ACCESS_KEY": ADMIN["secretKey"]}
        place = {"AWS_ENDPOINT_URL": store.address, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
        for name, value in {**credentials, **place}.items():
            monkeypatch.setenv(name, value)
        made = []
        for root in ("", f"s3://example-lake/{tmp_path.name}"):
            folder = tmp_path / ("s3" if root else "disk")
            folder.mkdir()
            of_its_own = environment.model_copy(update={"home": folder / "home", "lake_root": root})
            made.append(Case("by_lake", of_its_own, folder, BY_LAKE.settings()))
        yield made[0], made[1]
        store.faults = Faults()
        left = [path for case in made for path in case.left_in_the_lake()]
        # SeaweedFS keeps a folder that has nothing in it any more.
        assert [path for path in left if not path.endswith("/.launches")] == [] and BY_LAKE.jobs() == []
    backends.__path__.remove(PLANTED)


def outcome(case: Case, does: str) -> tuple[Any, ...]:
    """What the step came to, and what it told."""
    if does == "learns":
        once(lambda: bool(case.beats("program")), 60, lambda: (time.sleep(1), BY_LAKE.preempt()))
    try:
        found = case.run(does)
        said: Any = (found.artifact.artifact_id, found.values)
    except FtError as error:
        said = (type(error), error.message, error.next_step)
    logged = [one.user_message for one in case.instance.all_logs(case.run_id) if one.dagster_event is None]
    return said, re.findall(r"(?:a line|line \d+) of process \d", "\n".join(logged)), case.starts()


@pytest.mark.parametrize("does", ["reports", "fails", "messages_twice", "learns"])
def test_a_program_ends_over_a_store_in_a_storm_as_over_a_disk(cases: tuple[Case, Case], does: str) -> None:
    on_disk, on_s3 = (outcome(case, does) for case in cases)
    assert on_s3 == on_disk
    assert on_s3[2] == (2 if does == "learns" else 1)


def test_an_orchestrator_that_is_killed_is_followed_when_its_lease_has_ended(cases: tuple[Case, Case]) -> None:
    _, case = cases
    with case.elsewhere("waits") as first:
        first.kill()
    case.go_on()
    assert case.run("waits").artifact.artifact_id == "a-1"
    assert case.starts() == 1 and "a line of process 0" in case.told()


def test_of_two_submissions_one_runs(cases: tuple[Case, Case]) -> None:
    _, case = cases
    with case.elsewhere("waits") as first:
        with pytest.raises(TrainerRunning, match="program train runs already"):
            case.run("waits")
        case.go_on()
        assert first.wait(60) == 0, (case.folder / "orchestrator.txt").read_text()
    assert case.starts() == 1

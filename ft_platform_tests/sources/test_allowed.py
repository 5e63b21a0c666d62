"""Hosts and schemes that are not on the list get no request: seen from a server that would have counted it."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, SourceError
from ft_platform.sources.discovery import fingerprint
from ft_platform.use_case.settings.allowed_sources import require_allowed
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import DATABASES
from ft_platform_tests.tables import use_case


class Listener:
    """A server that counts who connects."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    listener = Listener()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield listener
    listener.socket.close()


def refused(uri: str, environment: Environment) -> str:
    table = {"table": "records"} if uri.startswith(DATABASES) else {}
    with pytest.raises(SourceError) as caught:
        fingerprint(use_case(source={"uri": uri, **table}).settings.source, environment)
    return str(caught.value)


def test_no_request_is_sent_to_what_is_not_on_the_list(
    server: Listener, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "s3://allowed-*, file:///srv")
    port = server.port
    for uri in (
        f"http://127.0.0.1:{port}/a.csv",
        f"https://127.0.0.1:{port}/a.csv",
        f"ftp://127.0.0.1:{port}/a.csv",
        f"simplecache::http://127.0.0.1:{port}/a.csv",
        f"zip://a.csv::http://127.0.0.1:{port}/a.zip",
        "s3://other-bucket/a.csv",
        f"postgresql://127.0.0.1:{port}/records",
        "hf://datasets/owner/name",
        f"reference://x?fo=http://127.0.0.1:{port}/",
    ):
        message = refused(uri, environment)
        assert "not on the list of allowed sources" in message or "are not supported" in message, uri
    assert server.connections == 0
    with pytest.raises(Exception, match=r"cannot be reached|there is no file"):
        fingerprint(use_case(source={"uri": "s3://allowed-bucket/a.csv"}).settings.source, environment)
    assert server.connections > 0, "an allowed one does send a request, so this test can fail"


@pytest.mark.parametrize(
    ("entries", "uri", "allowed"),
    [
        ("", "s3://any/key.csv", True),
        ("", "data.csv", True),
        ("", "sqlite:////srv/a.db", True),
        ("", "postgresql://db.example.org/x", False),
        ("", "hf://datasets/owner/name", False),
        ("", "http://example.org/a.csv", False),
        ("http://*", "http://example.org/a.csv", False),
        ("s3://complaints-*", "s3://complaints-2026/a", True),
        ("s3://complaints-*", "s3a://complaints-2026/a", True),
        ("s3://complaints-*", "s3://xcomplaints-2026/a", False),
        ("s3://complaints-*", "gs://complaints-2026/a", False),
        ("postgresql://db.example.org", "postgresql+psycopg://reader@DB.example.org./x", True),
        ("postgresql://db.example.org", "postgresql://db.example.org:5433/x", False),
        ("postgresql://db.example.org:5433", "postgresql://db.example.org:5433/x", True),
        ("postgresql://db.example.org", "postgresql://db.example.org.evil.example/x", False),
        ("abfss://records@account.dfs.core.windows.net", "abfss://records@account.dfs.core.windows.net/a", True),
        ("abfss://records@account.dfs.core.windows.net", "abfss://other@account.dfs.core.windows.net/a", False),
        ("file:///srv/data", "/srv/data/a.csv", True),
        ("file:///srv/data", "/srv/data/../secret.csv", False),
        ("file:///srv/data", "/srv/database.csv", False),
        ("file:///srv/data", "file:///srv/data/a.csv", True),
        ("sqlite:///srv", "sqlite:////srv/a.db", True),
        ("sqlite:///srv", "sqlite:////etc/a.db", False),
        ("hf://datasets/our-org/*", "hf://datasets/Our-Org/complaints@main/data/a.parquet", True),
        ("hf://datasets/our-org/*", "hf://datasets/other/complaints", False),
        ("hf://datasets/our-org/*", "hf://datasets/our-org@x/../other/name", False),
        ("uc://main.complaints.*", "uc://main.complaints.raw", True),
        ("uc://main.complaints.*", "uc://other.complaints.raw", False),
        ("s3://x", "sample://complaints", True),
    ],
)
def test_an_entry_allows_its_scheme_and_host_only(
    monkeypatch: pytest.MonkeyPatch, entries: str, uri: str, allowed: bool
) -> None:
    monkeypatch.setenv("FT_SOURCES_ALLOWED", entries)
    if allowed:
        require_allowed(uri)
    else:
        with pytest.raises(SourceError):
            require_allowed(uri)


def test_a_link_out_of_an_allowed_folder_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.csv").write_text("x")
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "secret.csv")
    monkeypatch.setenv("FT_SOURCES_ALLOWED", f"file://{tmp_path}/in")
    require_allowed(f"{tmp_path}/in/other.csv")
    with pytest.raises(SourceError, match="not on the list"):
        require_allowed(f"{tmp_path}/in/link.csv")


@pytest.mark.parametrize(
    "uri", ["postgresql://db/x?host=evil.example", "postgresql://db/x?service=evil", "mysql://db/x?unix_socket=/tmp/s"]
)
def test_options_that_name_another_host_are_refused(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "postgresql://db mysql://db")
    with pytest.raises(SourceError, match="are not supported"):
        require_allowed(uri)


@pytest.mark.parametrize(
    "host",
    ["db\\@evil.example", "db\t.evil.example", "x@db@evil.example", "db%40evil.example", "db evil.example", "db\n"],
)
def test_a_host_that_parsers_read_differently_is_no_uri(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "postgresql://*")
    with pytest.raises(SourceError, match="is not a URI"):
        require_allowed(f"postgresql://{host}/x")


def test_a_password_in_a_uri_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "postgresql://*")
    with pytest.raises(SourceError, match="contains a password") as caught:
        require_allowed("postgresql://reader:hunter2@db/x")
    assert "hunter2" not in str(caught.value)


def test_an_entry_that_is_none_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "example.org")
    with pytest.raises(ConfigError, match="not of the form scheme://host"):
        require_allowed("s3://x/y")

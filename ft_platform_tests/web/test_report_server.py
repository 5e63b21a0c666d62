"""The report server: what it serves, and above all what it does not."""

import hashlib
import http.client
import shutil
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from ft_platform.errors import ConfigError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.report_urls import report_url
from ft_platform.serving.api import deadlines
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.report_server import ReportServer, report_server
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.reporting.test_catalogue import chain

SECRET = "secret-of-the-restricted-zone"
PAGE = "<!DOCTYPE html><title>Evaluation</title><p>Macro F1: 0.5"
REPORT = "/complaints/evaluation_report/eval-1/report.html"


def publish(
    lake: Lake,
    name: str = "evaluation_report",
    artifact_id: str = "eval-1",
    page: str = "report.html",
    use_case: str = "complaints",
) -> ArtifactVersion:
    """A report with a page and files of other kinds."""
    with lake.scratch(use_case, name) as folder:
        folder.mkdir(parents=True)
        (folder / page).write_text(PAGE)
        for other in ("metrics.json", "systems.png", "predictions.parquet", "README.md", "report.html.bak"):
            (folder / other).write_text(SECRET)
        return lake.publish(use_case, name, artifact_id, folder, parents=[], settings_hash="s", input_hash="i")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A report in the shared zone, and the same files with a secret in the restricted zone, in a folder of a table and
    at the root of the lake."""
    environment = Environment(home=tmp_path_factory.mktemp("home"), tracking_uri="none")
    lake = open_lake(environment)
    version = publish(lake)
    for folder in ("restricted/complaints/evaluation_report/eval-1", "shared/complaints/raw_records/eval-1", "."):
        shutil.copytree(version.uri, Path(lake.root) / folder, dirs_exist_ok=True)
        (Path(lake.root) / folder / "report.html").write_text(SECRET)
    return environment


@pytest.fixture(scope="module")
def server(installation: Environment) -> Iterator[ReportServer]:
    with report_server(installation, "127.0.0.1", 0) as running:
        yield running


def fetch(
    server: ReportServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    """Status, headers and body; the path goes out exactly as given."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def test_a_report_is_fetched_by_the_link_of_the_ui(installation: Environment, server: ReportServer) -> None:
    (published,) = server.pages.reports.lake.artifacts("complaints", "evaluation_report")
    here = installation.model_copy(update={"reports_url": f"http://127.0.0.1:{server.server_port}"})
    status, headers, body = fetch(server, urlsplit(report_url(here, published)).path)
    assert (status, body) == (200, PAGE)
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", [REPORT, "/", "/nothing"])
def test_no_answer_may_run_scripts_load_anything_or_stand_in_a_frame(server: ReportServer, path: str) -> None:
    _, headers, _ = fetch(server, path)
    policy = {words[0]: words[1:] for words in (part.split() for part in headers["Content-Security-Policy"].split(";"))}
    assert policy["default-src"] == ["'none'"] and policy["frame-ancestors"] == ["'none'"]
    # Of this server only: those of the sign-in.
    assert policy["form-action"] == ["'self'"]
    assert "script-src" not in policy and policy["img-src"] == ["data:"]
    assert headers["X-Content-Type-Options"] == "nosniff"


BACK = "/complaints/evaluation_report/eval-1/"


@pytest.mark.parametrize(
    "path",
    [
        "/../report.html",
        "/../../../etc/passwd",
        f"{BACK}../../../../report.html",
        f"{BACK}../../../../restricted/complaints/evaluation_report/eval-1/report.html",
        f"{BACK}%2e%2e/%2e%2e/%2e%2e/%2e%2e/report.html",
        f"{BACK}..%2f..%2f..%2f..%2freport.html",
        f"{BACK}%252e%252e%252f%252e%252e%252freport.html",
        f"{BACK}..%5c..%5creport.html",
        f"{BACK}....//....//report.html",
        f"{BACK}%c0%ae%c0%ae/report.html",
        "/complaints/evaluation_report/../../../report.html",
        "/complaints/evaluation_report/%2e%2e/report.html",
        "/..%2frestricted/complaints/evaluation_report/eval-1/report.html",
        "/%2e%2e/restricted/complaints/evaluation_report/eval-1/report.html",
        f"{REPORT}%00.html",
        f"{REPORT}%0a",
        f"{BACK}report%2ehtml",  # nothing is decoded at all
        f"{BACK}./report.html",
        f"{BACK}/report.html",
        "/complaints/evaluation_report//report.html",
        "http://127.0.0.1/../report.html",
        "http://127.0.0.1/etc/passwd",
    ],
)
def test_no_path_leads_out_of_a_report(server: ReportServer, path: str) -> None:
    status, _, body = fetch(server, path)
    assert status == 404
    assert body == "There is no such report.\n"


@pytest.mark.parametrize(
    "path",
    [
        "/restricted/complaints/evaluation_report/eval-1/report.html",
        "/shared/complaints/evaluation_report/eval-1/report.html",
        # a stage of the restricted zone, even if its folder were in the shared one
        "/complaints/raw_records/eval-1/report.html",
        "/complaints/adapter_checkpoint/eval-1/report.html",
        "/complaints/manifests/splits/00000000.json",
        "/complaints/verdicts/splits/splits-0/no_leakage.json",
        "/complaints/tables/splits/report.html",
        "/report.html",
    ],
)
def test_only_reports_of_the_shared_zone_are_served(server: ReportServer, path: str) -> None:
    status, _, body = fetch(server, path)
    assert status == 404 and SECRET not in body


@pytest.mark.parametrize(
    "name",
    [
        "metrics.json",
        "manifest.json",
        "systems.PNG",
        "other.png",
        "predictions.parquet",
        "README.md",
        "report.html.bak",
        "REPORT.HTML",
        "report.htm",
    ],
)
def test_other_files_of_a_report_are_not_served(server: ReportServer, name: str) -> None:
    status, _, body = fetch(server, f"{BACK}{name}")
    assert status == 404 and SECRET not in body


@pytest.mark.parametrize(
    "path",
    [
        "/claims/evaluation_report/eval-1/report.html",
        "/complaints/fairness_report/eval-1/report.html",
        "/complaints/evaluation_report/eval-2/report.html",
        f"{BACK}other.html",
        "/claims/",
    ],
)
def test_what_is_not_there_is_not_found(server: ReportServer, path: str) -> None:
    assert fetch(server, path)[0] == 404


def test_a_picture_may_be_shown_by_the_ui_beside_the_server_and_a_page_by_none(server: ReportServer) -> None:
    status, headers, body = fetch(server, f"{BACK}systems.png")
    assert (status, body, headers["Content-Type"]) == (200, SECRET, "image/png")
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert fetch(server, REPORT)[1]["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_page_that_no_manifest_lists_is_not_served(server: ReportServer) -> None:
    (Path(server.pages.reports.lake.root) / f"shared{BACK}added.html").write_text(SECRET)
    status, _, body = fetch(server, f"{BACK}added.html")
    assert status == 404 and SECRET not in body


def test_a_page_that_was_changed_or_lost_is_an_error(server: ReportServer) -> None:
    damaged = publish(server.pages.reports.lake, artifact_id="eval-damaged", use_case="damaged")
    page = Path(damaged.uri) / "report.html"
    page.write_text(SECRET)
    status, _, body = fetch(server, "/damaged/evaluation_report/eval-damaged/report.html")
    assert status == 500 and SECRET not in body and "Materialize it again" in body
    page.unlink()
    assert fetch(server, "/damaged/evaluation_report/eval-damaged/report.html")[0] == 500


@pytest.mark.parametrize(
    "path",
    [
        "/complaints",
        "/complaints/evaluation_report/",
        "/complaints/evaluation_report",
        BACK,
        BACK.rstrip("/"),
        "/restricted/",
    ],
)
def test_folders_are_not_listed(server: ReportServer, path: str) -> None:
    assert fetch(server, path)[0] == 404


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for key, value in attrs if key == "href"]


def test_the_index_leads_to_every_report_of_every_use_case(environment: Environment, lake: Lake) -> None:
    publish(lake)
    publish(lake, "model_card", "card-1", "model_card.html")
    publish(lake, "evaluation_report", "eval-9", use_case="claims")
    (Path(lake.root) / "shared" / "Not A Use Case").mkdir()
    with report_server(environment, "127.0.0.1", 0) as running:
        status, _, body = fetch(running, "/")
        links = [one for one in Links(body).found if one.endswith("/") and one != "./"]
        assert status == 200 and links == ["claims/", "complaints/"]
        found = []
        for folder in links:
            status, _, index = fetch(running, urljoin("/", folder))
            assert status == 200
            links = dict.fromkeys(link for link in Links(index).found if link.endswith(".html"))
            found += [urljoin(f"/{folder}", link) for link in links]
        assert found == [
            "/claims/evaluation_report/eval-9/report.html",
            REPORT,
            "/complaints/model_card/card-1/model_card.html",
        ]
        assert [fetch(running, path)[::2] for path in found] == [(200, PAGE)] * 3


def test_an_empty_lake_has_an_index_too(environment: Environment) -> None:
    with report_server(environment, "127.0.0.1", 0) as running:
        status, _, body = fetch(running, "/")
    assert status == 200 and "There are no use cases yet." in body


@pytest.mark.parametrize("line", ["GET file:///etc/passwd HTTP/1.1", "GET / HTTP/9.9", "no request at all"])
def test_what_cannot_be_parsed_gets_the_headers_and_nothing_else(server: ReportServer, line: str) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(f"{line}\r\nHost: 127.0.0.1\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            got = answer.read().decode()
    assert got.startswith("HTTP/1.1 400 ") and "default-src 'none'" in got and "root:" not in got


def test_a_client_that_never_finishes_its_request_is_disconnected(
    server: ReportServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "HEAD_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert connection.recv(1) == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(server: ReportServer, method: str) -> None:
    status, headers, body = fetch(server, REPORT, method)
    assert status == 405 and PAGE not in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_head_tells_the_size_without_the_page(server: ReportServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(f"HEAD {REPORT} HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and f"content-length: {len(PAGE)}\r\n".encode() in head
    assert body == b""


@pytest.fixture(scope="module")
def named_server(installation: Environment) -> Iterator[ReportServer]:
    with report_server(
        installation.model_copy(update={"reports_url": "https://ml.example.org/reports"}), "127.0.0.1", 0
    ) as running:
        yield running


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:3001", 200),
        ("localhost", 200),
        ("[::1]:3001", 200),
        ("ml.example.org", 200),  # the name in FT_REPORTS_URL, which a proxy passes on
        ("evil.example.net:3001", 421),  # a web page whose own name was pointed at this machine
        ("127.0.0.1.evil.example.net", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_a_server_of_this_machine_answers_to_its_own_names_only(
    named_server: ReportServer, host: str, expected: int
) -> None:
    status, _, body = fetch(named_server, REPORT, Host=host)
    assert status == expected and (body == PAGE) == (expected == 200)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("ml.example.org", 200), ("10.0.0.5:3001", 200), ("127.0.0.1:3001", 200), ("evil.example.net", 421)],
)
def test_a_server_for_other_machines_answers_to_names_of_the_installation_only(
    installation: Environment, host: str, expected: int
) -> None:
    named = installation.model_copy(update={"web_hosts": ["ml.example.org", "10.0.0.5:3000"]})
    with report_server(named, "0.0.0.0", 0) as running:
        assert fetch(running, REPORT, Host=host)[0] == expected


def test_a_lake_that_cannot_be_read_is_no_secret_and_no_end(
    server: ReportServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_arguments, **_options):
        raise ConnectionError(SECRET)

    with monkeypatch.context() as broken:
        broken.setattr(server.pages.reports.lake, "artifact", unreachable)
        status, _, body = fetch(server, REPORT)
    assert status == 503 and SECRET not in body
    assert fetch(server, REPORT)[0] == 200


def test_a_fault_of_a_page_is_not_taken_for_a_lake_that_is_away(
    server: ReportServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(*_arguments, **_options):
        raise KeyError(SECRET)

    monkeypatch.setattr(server.pages.reports.lake, "artifact", wrong)
    status, _, body = fetch(server, REPORT)
    assert status == 500 and "has a fault" in body and SECRET not in body + caplog.text
    assert "KeyError at test_report_server.py" in caplog.text


def test_a_port_that_is_taken_is_one_clear_error(environment: Environment, server: ReportServer) -> None:
    with (
        pytest.raises(ConfigError, match=rf"127.0.0.1, port {server.server_port}: Address already in use"),
        report_server(environment, "127.0.0.1", server.server_port),
    ):
        pass


@pytest.mark.parametrize("port", [-1, 70000])
def test_a_port_that_does_not_exist_is_one_clear_error(environment: Environment, port: int) -> None:
    with pytest.raises(ConfigError, match="no port has this number"), report_server(environment, "127.0.0.1", port):
        pass


def test_the_server_is_gone_after_the_block(environment: Environment) -> None:
    with report_server(environment, "127.0.0.1", 0) as running:
        assert fetch(running, "/")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        fetch(running, "/")


@pytest.fixture
def s3_environment(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """An installation whose lake is a bucket of a local server of the S3 protocol."""
    with s3_bucket("lake", monkeypatch):
        yield environment.model_copy(update={"lake_root": "s3://lake/prefix"})


@pytest.mark.components(name="aws")
def test_a_lake_in_a_bucket_is_served_in_the_same_way(s3_environment: Environment) -> None:
    lake = open_lake(s3_environment)
    publish(lake)
    lake.fs.pipe_file("s3://lake/prefix/restricted/complaints/evaluation_report/eval-1/report.html", SECRET.encode())
    lake.fs.pipe_file("s3://lake/report.html", SECRET.encode())
    with report_server(s3_environment, "127.0.0.1", 0) as running:
        assert fetch(running, REPORT)[::2] == (200, PAGE)
        assert "complaints/" in Links(fetch(running, "/")[2]).found
        assert "evaluation_report/eval-1/report.html" in Links(fetch(running, "/complaints/")[2]).found
        for path in (
            "/restricted/complaints/evaluation_report/eval-1/report.html",
            f"{BACK}../../../../../report.html",
            f"{BACK}metrics.json",
            f"{BACK}no.html",
        ):
            status, _, body = fetch(running, path)
            assert status == 404 and SECRET not in body, path
        lake.fs.pipe_file(f"s3://lake/prefix/shared{REPORT}", b"changed")
        assert fetch(running, REPORT)[0] == 500


def test_the_catalogue_is_searched_and_an_evidence_pack_is_downloaded(environment: Environment) -> None:
    write_use_case(environment.defs, "complaints", minimal_attributes("x.csv"))
    chain(open_lake(environment), "complaints")
    content = b"PK\x05\x06" + bytes(18)
    (environment.home / "evidence").mkdir()
    (environment.home / "evidence" / "ckpt-complaints.zip").write_bytes(content)
    with report_server(environment, "127.0.0.1", 0) as server:
        found = fetch(server, "/catalogue?words=ckpt-complaints&zone=shared")[2]
        assert "splits@0" in found and "raw_records@0" not in found
        status, _, page = fetch(server, "/compliance")
        link = f"evidence/{hashlib.sha256(content).hexdigest()}.zip"
        assert status == 200 and f'href="{link}"' in page
        status, headers, body = fetch(server, f"/{link}")
        assert (status, body.encode(), headers["Content-Type"]) == (200, content, "application/zip")
        assert headers["X-Content-Type-Options"] == "nosniff"
        others = ("/evidence/ckpt-complaints.zip", "/evidence/", f"/evidence/{'0' * 64}.zip", "/catalogue/")
        for path in (*others, "/compliance/x"):
            assert fetch(server, path)[0] == 404

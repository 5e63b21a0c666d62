"""Dagster's real web server behind a real nginx that signs persons in, set up as the documentation says: what browsers,
and programs past it, can claim."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import yaml
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

pytest.importorskip("dagster_webserver")
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.use_case.environment import load_environment
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.web.certificates import certificate
from ft_platform_tests.web.server import OURS, free_port, home_with, listens, webserver

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.components(name="nginx"),
    pytest.mark.skipif(not NGINX, reason="needs nginx: apt-get install nginx-light"),
]
ANA, TOM, SECRET = "ana@example.org", "tom@example.org", "a secret of the proxy"
PASSWORDS = {ANA: "ana's own", TOM: "tom's own"}
VERSION = {"query": "{version}"}


@dataclass(frozen=True)
class Behind:
    """Ports of nginx and of the server behind it, its home, and the certificate of nginx."""

    nginx: int
    server: int
    home: Path
    trusted: ssl.SSLContext

    def ask(self, person: str = "", path: str = "/graphql", **headers: str) -> httpx2.Response:
        """By way of nginx; Ana may see everything, Tom nothing."""
        signed = (person, PASSWORDS[person]) if person else None
        with httpx2.Client(verify=self.trusted, timeout=60) as browser:
            address = f"https://localhost:{self.nginx}{path}"
            if path == "/graphql":
                return browser.post(address, json=VERSION, auth=signed, headers=headers)
            return browser.get(address, auth=signed, headers=headers)

    def bytes_of(self, request: str) -> str:
        """All that nginx answers to the bytes of a request."""
        with (
            socket.create_connection(("localhost", self.nginx), timeout=10) as plain,
            self.trusted.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(request.replace("\n", "\r\n").encode("latin1"))
            answer = b""
            while more := connection.recv(65536):
                answer += more
        return answer.decode("latin1")


def basic(person: str) -> str:
    return f"Basic {b64encode(f'{person}:{PASSWORDS[person]}'.encode()).decode()}"


def configured(folder: Path, port: int, server: int) -> Path:
    """nginx.conf with the block of the documentation."""
    page = (REPOSITORY / "docs/how_to/sign_in.md").read_text()
    (block,) = re.findall(r"```nginx\n(.*?)```", page, re.S)
    pem, key = certificate(folder)
    (folder / "people").write_text("".join(f"{name}:{{PLAIN}}{word}\n" for name, word in PASSWORDS.items()))
    places = {
        "listen 443": f"listen 127.0.0.1:{port}",
        "/etc/nginx/server.pem": str(pem),
        "/etc/nginx/server.key": str(key),
        "/etc/nginx/people": str(folder / "people"),
        "http://10.0.0.5:3000": f"http://127.0.0.1:{server}",
        "VALUE OF FT_PROXY_SECRET": SECRET,
    }
    for example, own in places.items():
        assert example in block
        block = block.replace(example, own)
    scratch = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; {'user root;' if os.getuid() == 0 else ''}\n"
        f"events {{}}\nhttp {{ access_log off; {scratch}\n{block}}}\n"
    )
    return file


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    home, folder, port = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("nginx"), free_port()
    settings = home / "ft_environment.yaml"
    proxy = {"addresses": ["127.0.0.1"], "tls": True, "says_who": True, "secret_variable": "FT_PROXY_SECRET"}
    people = {"roles": {"auditor": [ANA]}}
    settings.write_text(
        yaml.safe_dump({"web_hosts": [f"localhost:{port}"], "sign_in": {"proxy": proxy}, "people": people})
    )
    variables = {"FT_PROXY_SECRET": SECRET, "FT_ENVIRONMENT": str(settings)}
    with webserver(OURS, home_with(home), **variables) as server:
        process = subprocess.Popen([str(NGINX), "-p", str(folder), "-c", str(configured(folder, port, server))])
        try:
            deadline = time.monotonic() + 20
            while not listens(port):
                assert process.poll() is None and time.monotonic() < deadline, (folder / "error.log").read_text()
                time.sleep(0.05)
            yield Behind(port, server, home, ssl.create_default_context(cafile=str(folder / "server.pem")))
        finally:
            process.terminate()
            process.wait(20)


def test_a_person_whom_nginx_knows_works_and_others_do_not(behind: Behind) -> None:
    assert behind.ask().status_code == 401
    assert behind.ask(ANA).json()["data"]["version"]
    assert ANA in behind.ask(ANA, "/auth/account").text
    assert behind.ask(TOM).status_code == 403, "signed in, without a role"


@pytest.mark.parametrize(
    "claimed",
    [
        {"X-Forwarded-Email": ANA},
        {"x-forwarded-email": ANA, "x-forwarded-user": ANA, "x-forwarded-groups": "officers"},
        {"X_Forwarded_Email": ANA},
        {"X-Forwarded-Email": ANA, "X-Proxy-Secret": SECRET},
        {"Remote-User": ANA, "X-Remote-User": ANA, "X-Auth-Request-Email": ANA, "Forwarded": f"for={ANA}"},
        {"Connection": "X-Forwarded-Email, X-Forwarded-User, X-Proxy-Secret"},
        {"X-Original-URL": "/auth/account", "X-Rewrite-URL": "/auth/account"},
    ],
    ids=lambda claimed: next(iter(claimed)),
)
def test_what_a_browser_claims_makes_nobody_somebody_else(behind: Behind, claimed: dict[str, str]) -> None:
    assert behind.ask(**claimed).status_code == 401
    assert behind.ask(TOM, **claimed).status_code == 403
    assert TOM in behind.ask(TOM, "/auth/account", **claimed).text
    assert ANA not in behind.ask(TOM, "/auth/account", **claimed).text


@pytest.mark.parametrize(
    "head",
    [
        f"X-Forwarded-Email : {ANA}",
        f"X-Forwarded-Email\t: {ANA}",
        f"X-Other: a\n X-Forwarded-Email: {ANA}",
        f"X-Other: a\0\nX-Forwarded-Email: {ANA}",
        f"X-Forwarded-Email: {ANA}\nX-Forwarded-Email: {ANA}",
    ],
)
def test_headers_out_of_form_claim_nothing(behind: Behind, head: str) -> None:
    answer = behind.bytes_of(
        f"GET /auth/account HTTP/1.1\nHost: localhost:{behind.nginx}\nAuthorization: {basic(TOM)}\n{head}\n"
        "Connection: close\n\n"
    )
    assert answer.startswith(("HTTP/1.1 400", "HTTP/1.1 200")) and ANA not in answer


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: {length}\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: xchunked",
        "Content-Length: 0\nContent-Length: {length}",
    ],
)
def test_a_request_that_hides_in_the_body_of_another_is_not_answered(behind: Behind, lengths: str) -> None:
    host = f"HTTP/1.1\nHost: localhost:{behind.nginx}\n"
    hidden = f"GET /auth/account {host}X-Proxy-Secret: {SECRET}\nX-Forwarded-Email: {ANA}\n\n"
    head = lengths.format(length=len(hidden.replace("\n", "\r\n")) + 5)
    request = f"POST /graphql {host}Authorization: {basic(TOM)}\n{head}\n\n0\n\n"
    after = f"GET /auth/account {host}Authorization: {basic(TOM)}\nConnection: close\n\n"
    assert ANA not in behind.bytes_of(request + hidden + after)


def test_past_nginx_nobody_is_believed(behind: Behind) -> None:
    address = f"http://127.0.0.1:{behind.server}/graphql"
    claimed = {"x-forwarded-email": ANA, "x-forwarded-user": ANA}
    for secret in ({}, {"x-proxy-secret": ""}, {"x-proxy-secret": "guess"}):
        assert httpx2.post(address, json=VERSION, headers={**claimed, **secret}, timeout=60).status_code == 403


def test_another_host_and_another_site_are_refused(behind: Behind) -> None:
    assert behind.ask(ANA, Host="evil.example.com").status_code in (400, 403, 421)
    assert behind.ask(ANA, Origin="https://evil.example.com").status_code == 403
    assert behind.ask(ANA, Origin=f"https://localhost:{behind.nginx}").status_code == 200


def test_a_websocket_is_for_persons_of_nginx_and_for_pages_of_this_server(behind: Behind) -> None:
    address, own = f"wss://localhost:{behind.nginx}/graphql", f"https://localhost:{behind.nginx}"

    def opened(origin: str, person: str = "", **more: str) -> None:
        headers = {**({"Authorization": basic(person)} if person else {}), **more}
        connect(
            address, ssl=behind.trusted, origin=origin, additional_headers=headers, subprotocols=["graphql-ws"]
        ).close()

    opened(own, ANA)
    for refused in ((own, ""), (own, TOM), ("https://evil.example.com", ANA)):
        with pytest.raises(InvalidStatus):
            opened(*refused, **{"X-Forwarded-Email": ANA, "X-Proxy-Secret": SECRET})


def test_the_log_has_the_address_of_the_browser_not_one_that_it_claims(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = httpx2.post(
        f"http://127.0.0.1:{behind.server}/graphql",
        json=VERSION,
        headers={"x-forwarded-email": ANA, "x-forwarded-for": "203.0.113.9"},
        timeout=60,
    )
    behind.ask(TOM, "/auth/account", **{"X-Forwarded-For": "203.0.113.9"})
    assert past.status_code == 403
    for name, value in {"FT_HOME": behind.home, "FT_ENVIRONMENT": behind.home / "ft_environment.yaml"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("FT_PROXY_SECRET", SECRET)
    noted = [entry.details for entry in AuditLog(open_lake(load_environment())).entries() if entry.kind == "denial"]
    assert noted and not [details for details in noted if "203.0.113.9" in str(details)]

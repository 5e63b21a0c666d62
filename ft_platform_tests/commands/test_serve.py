"""`ft serve`: who is let in from where, its keys, and that it runs until it is told to stop."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ft_platform.cli import main
from ft_platform.serving.api_keys import keys_path, read_keys
from ft_platform.use_case.environment import load_environment
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.serving.fakes import wait_until

PLANTED = "Erika Mustermann"  # fictitious


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    for name in ("FT_LAKE_ROOT", "FT_ENVIRONMENT", "FT_DEFS", "FT_WEB_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def ended(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """What a command prints."""
    assert main(["serve", *words]) == code
    return capsys.readouterr()


def test_a_key_is_shown_once_listed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    out, told = ended(capsys, "keys", "add", "complaint_routing", "--name", "portal", "--days", "90", "--rate", "60")
    key = out.strip()
    assert re.fullmatch(r"ft_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", key) and key[12:] not in told
    assert "complaint_routing" in told and "60 requests per minute" in told
    (kept,) = read_keys(keys_path(load_environment()))
    listed, _ = ended(capsys, "keys", "list")
    assert kept.id in listed and "usable" in listed and "portal" in listed and key[12:] not in listed
    ended(capsys, "keys", "revoke", kept.id)
    assert "revoked" in ended(capsys, "keys", "list")[0]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("keys",), "ft serve keys takes one of add, list, revoke"),
        (("keys", "add"), "ft serve keys takes one of"),
        (("keys", "show", "x"), "ft serve keys takes one of"),
        (("keys", "add", "complaint_routing"), "--name must say"),
        (("keys", "add", "complaint_routing", "--name", "a\nb"), "--name must say"),
        (("keys", "add", "nothing", "--name", "x"), "there is no use case 'nothing'"),
        (("keys", "revoke", "00000000"), "there is no key '00000000'"),
        (("--host", "0.0.0.0"), "--host 0.0.0.0 would let everyone who reaches this machine ask every model"),
        (("--host", "10.0.0.5", "complaint_routing"), "there is no key"),
        (("--certificate", "x.pem"), "--certificate and --key belong together"),
        ((), "no release of any use case"),
        (("complaint_routing",), "no release of complaint_routing"),
    ],
)
def test_what_is_refused_says_why(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], problem: str) -> None:
    assert problem in ended(capsys, *words, code=1)[1]


@pytest.mark.parametrize("state", ["revoked", "expired"])
def test_a_key_that_is_not_usable_opens_no_other_address(capsys: pytest.CaptureFixture[str], state: str) -> None:
    out, _ = ended(capsys, "keys", "add", "all", "--name", "portal")
    if state == "revoked":
        ended(capsys, "keys", "revoke", out[3:11])
    else:
        path = keys_path(load_environment())
        path.write_text(path.read_text().replace('"expires": null', '"expires": "2020-01-01T00:00:00+00:00"'))
    assert "there is no key" in ended(capsys, "--host", "10.0.0.5", code=1)[1]


def test_with_a_key_another_address_is_allowed_and_without_a_certificate_it_warns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended(capsys, "keys", "add", "all", "--name", "portal")
    _, told = ended(capsys, "--host", "10.0.0.5", code=1)
    assert "cross the network unencrypted" in told and "no release" in told


SERVED = """
import sys
from ft_platform.cli import run_and_exit
from ft_platform.serving import installation
from ft_platform.serving.catalog import GivenModels
from ft_platform_tests.serving.fakes import FakeEngine, every_kind
installation.engine_and_catalog = lambda environment, use_cases, release: (FakeEngine(), GivenModels(every_kind()))
sys.argv = ["ft", "serve", "--port", "0"]
run_and_exit()
"""


@pytest.mark.integration
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_it_serves_until_it_is_told_to_stop_and_its_log_has_no_text(
    home: Path, number: signal.Signals, code: int
) -> None:
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVED], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        found = re.match(r"http://127\.0\.0\.1:(\d+)/v1", process.stdout.readline())
        assert found
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        statuses = []

        def ready() -> bool:
            connection.request("GET", "/ready")
            found = connection.getresponse()
            return bool(found.read()) and found.status == 200

        wait_until(ready)
        for model in ("support", PLANTED):
            body = {"model": model, "messages": [{"role": "user", "content": PLANTED}]}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            statuses.append(answer.status)
            answer.read()
        connection.request("GET", "/" + PLANTED.replace(" ", "_"))
        statuses.append(connection.getresponse().status)
        connection.close()
        assert statuses == [200, 404, 404]
    finally:
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    assert process.returncode == code
    assert "POST /v1/chat/completions" in told and "Mustermann" not in told and "Traceback" not in told

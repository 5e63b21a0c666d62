"""The gate of known vulnerabilities: a planted one turns it red, and so does whatever was not checked. The advisories
are invented; pip-audit is real where it is installed."""

import json
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from ft_platform_tests.conftest import REPOSITORY

SNAPSHOT = json.loads((Path(__file__).parent / "advisories" / "snapshot.json").read_text())
TODAY = date(2027, 1, 10)
PINS = {"planted-lib": "1.4", "good-lib": "2.0"}
ADVISORY = {"id": "PYSEC-0000-1", "aliases": ["CVE-0000-0001"], "fix_versions": ["1.5"]}
GOOD = {"name": "good-lib", "version": "2.0", "vulns": []}


@pytest.fixture(scope="module")
def gate() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "scripts"))
        import advisories

        yield advisories


def told(*dependencies: dict) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def planted(**more: object) -> dict:
    return {"name": "Planted.Lib", "version": "1.4", "vulns": [ADVISORY], **more}


def entry(**more: object) -> dict:
    known = {
        "id": "CVE-0000-0001",
        "package": "planted-lib",
        "reason": "Only its server is affected, which nobody starts",
    }
    return {**known, "until": TODAY, **more}


@pytest.mark.parametrize(
    ("answer", "entries", "words"),
    [
        (told(GOOD, planted()), [], "planted-lib 1.4 has PYSEC-0000-1, fixed in 1.5"),
        (told(GOOD, planted()), [entry(until=TODAY - timedelta(days=1))], "it was accepted until 2027-01-09"),
        (told(GOOD, planted()), [entry(package="good-lib")], "has PYSEC-0000-1"),
        (told(GOOD, planted()), [entry(id="CVE-0000-0002")], "has PYSEC-0000-1"),
        (told(GOOD), [], "no answer for 1 of 2 packages: planted-lib"),
        (told(GOOD, {"name": "planted-lib", "skip_reason": "not found"}), [], "no answer for 1 of 2 packages"),
        (told(GOOD, planted(version="1.5", vulns=[])), [], "no answer for 1 of 2 packages"),
        ("", [], "gave no answer"),
        ("{}", [], "gave no answer"),
    ],
    ids=[
        "found",
        "expired",
        "other-package",
        "other-advisory",
        "absent",
        "skipped",
        "other-version",
        "silent",
        "empty",
    ],
)
def test_what_is_neither_clean_nor_accepted_stops_a_release(gate, answer, entries, words) -> None:
    [problem] = gate.judge(answer, PINS, "a database", entries, TODAY).problems
    assert words in problem


def test_a_clean_or_accepted_answer_passes_and_tells_what_is_accepted_for_nothing(gate) -> None:
    accepted = gate.judge(told(GOOD, planted()), PINS, "a database", [entry(), entry(id="CVE-1")], TODAY)
    assert (accepted.problems, accepted.checked, accepted.unneeded) == ([], 2, ["CVE-1"])
    assert accepted.found == [{"package": "planted-lib", "version": "1.4", "id": "PYSEC-0000-1", "accepted": True}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": "later"}, "the reason needs 20 characters"),
        ({"until": TODAY + timedelta(days=181)}, "for longer than 180 days"),
        ({"until": '"tomorrow"'}, "expected id, package, reason, until"),
        ({"more": 1}, "expected id, package, reason, until"),
    ],
    ids=["no-reason", "too-long", "no-day", "unknown-field"],
)
def test_an_acceptance_needs_a_reason_and_an_end(gate, tmp_path: Path, change, words) -> None:
    def write(fields: dict) -> Path:
        lines = [
            f'{name} = "{value}"' if name in ("id", "package", "reason") else f"{name} = {value}"
            for name, value in fields.items()
        ]
        (tmp_path / "accepted.toml").write_text("[[accepted]]\n" + "\n".join(lines))
        return tmp_path / "accepted.toml"

    assert gate.accepted(write(entry()), TODAY) == ([entry()], [])
    entries, [problem] = gate.accepted(write(entry(**change)), TODAY)
    assert entries == [] and words in problem


def test_the_shipped_file_of_acceptances_is_valid(gate) -> None:
    assert gate.accepted(gate.ACCEPTED, date.today())[1] == []


@pytest.fixture
def database() -> Iterator[str]:
    """A server with OSV's interface (https://google.github.io/osv.dev/post-v1-query/) that knows the snapshot."""

    class Osv(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = [
                one
                for one in SNAPSHOT.get(asked["package"]["name"], [])
                if asked["version"] in one["affected"][0]["versions"]
            ]
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


@pytest.mark.components(name="pip_audit")
@pytest.mark.skipif(find_spec("pip_audit") is None, reason="needs pip-audit (extra dev)")
def test_pip_audit_finds_the_planted_version_and_without_a_database_nothing_is_clean(gate, database, tmp_path) -> None:
    pins = tmp_path / "requirements.txt"
    hashed = f"--hash=sha256:{'a' * 64}"
    pins.write_text(f"planted-lib==1.4 {hashed}\ngood-lib==2.0+cpu {hashed}\n")
    found = gate.audit(pins, database)
    assert found.problems == ["planted-lib 1.4 has PYSEC-0000-1, fixed in 1.5"] and found.checked == 2
    pins.write_text(f"planted-lib==1.5 {hashed}\ngood-lib==2.0+cpu {hashed}\n")
    assert gate.audit(pins, database).problems == []
    [problem] = gate.audit(pins, "http://127.0.0.1:9/v1/query").problems
    assert problem.startswith("not checked:")

"""A dataset of the Hugging Face hub, against a local server that answers as the hub does (its HTTP API for files of a
repository)."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.integration

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = [
    {"id": str(i), "text": f"complaint {i}", "label": "card", "consent": "yes", "region": "north"} for i in range(4)
]
PROGRAM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ft_platform.use_case.settings.environment import Environment
from ft_platform.sources.ingest import read_new_records
from ft_platform_tests.tables import use_case
for uri in sys.argv[2:]:
    found = read_new_records(use_case(source={"uri": uri}), Environment(home=Path(sys.argv[1])), {}, None, datetime.now(UTC))
    print(sorted(found.files), sorted(found.records["source_key"].to_pylist()))
"""  # noqa: E501


class Hub(BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {}
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.requests.append(path)
        if path.startswith("/api/datasets/owner/complaints/tree/"):
            below = path.split("/tree/", 1)[1].partition("/")[2]
            start = f"{below}/" if below else ""
            inside = [name for name in self.files if name.startswith(start)]
            names = {start + name.removeprefix(start).split("/")[0] for name in inside} | (
                set(inside) if "recursive=true" in self.path.lower() else set()
            )
            found = [
                (
                    self._entry(name)
                    if name in self.files
                    else {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
                )
                for name in sorted(names)
            ]
            self._answer(json.dumps(found).encode() if found else b"{}", 200 if found else 404)
        elif path == "/api/datasets/owner/complaints" or path.startswith("/api/datasets/owner/complaints/revision/"):
            self._answer(json.dumps({"id": "owner/complaints", "sha": COMMIT, "siblings": []}).encode())
        elif (
            path.startswith("/datasets/owner/complaints/resolve/")
            and (name := path.split("/resolve/", 1)[1].partition("/")[2]) in self.files
        ):
            self._answer(self.files[name], headers={"X-Repo-Commit": COMMIT, "ETag": f'"{self._entry(name)["oid"]}"'})
        else:
            self._answer(b"{}", 404, {"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.requests.append(path)
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        wanted = (
            json.loads(asked)["paths"]
            if asked.startswith("{")
            else [unquote(p.split("=", 1)[1]) for p in asked.split("&") if p.startswith("paths=")]
        )
        self._answer(json.dumps([self._entry(name) for name in wanted if name in self.files]).encode())

    def _entry(self, name: str) -> dict[str, Any]:
        return {
            "type": "file",
            "path": name,
            "size": len(self.files[name]),
            "oid": hashlib.sha1(self.files[name]).hexdigest(),
        }

    def _answer(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        first, last = 0, len(body) - 1
        if status == 200 and (asked := self.headers.get("Range")):
            first, last = (
                int(n) if n else d for n, d in zip(asked.removeprefix("bytes=").split("-"), (0, last), strict=True)
            )
            status = 206
        part = body[first : last + 1]
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(part)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(part)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.files = {
        "README.md": b"# a dataset",
        "data/train.jsonl": "\n".join(map(json.dumps, ROWS[:3])).encode(),
        "data/test.jsonl": json.dumps(ROWS[3]).encode(),
    }
    Hub.requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def read(hub: str, home: Path, allowed: str, *uris: str) -> subprocess.CompletedProcess:
    variables = {
        "HF_ENDPOINT": hub,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(home / "hf"),
        "FT_SOURCES_ALLOWED": allowed,
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), *uris],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_files_of_a_dataset_are_read_by_its_name(hub: str, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    done = read(
        hub,
        tmp_path,
        "hf://datasets/owner/*",
        "hf://datasets/owner/complaints",
        f"hf://datasets/owner/complaints@{COMMIT}/data/test.jsonl",
    )
    assert done.returncode == 0, (done.stderr[-2000:], Hub.requests)
    whole, one = done.stdout.splitlines()
    assert whole.endswith("['0', '1', '2', '3']") and "data/test.jsonl" in whole and "README" not in whole
    assert one.endswith("['3']")


def test_another_owner_gets_no_request(hub: str, tmp_path: Path) -> None:
    done = read(hub, tmp_path, "hf://datasets/owner/*", "hf://datasets/someone/else")
    assert "hf://datasets/someone/else is not on the list of allowed sources" in done.stderr and Hub.requests == []

"""A stand-in for Hugging Face Jobs: the paths that huggingface-hub 2.4 asks, whose own types parse each answer. What it
says of the end of a job is made up, because Hugging Face does not publish its words."""

import json
import re
import threading
import time
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ft_platform_tests.compute.aws_service import Refused
from ft_platform_tests.compute.containers import TICK, Containers

NAMESPACE, TOKEN = "acme", "hf_planted_token_5c2d"
FLAVORS = {"cpu-basic": 0, "l4x4": 4}
SPEC = {"command", "arguments", "environment", "flavor", "secrets", "timeoutSeconds", "labels", "dockerImage"}
LABEL = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""As `HfApi.update_job_labels` says."""
WAITS = "Waiting for a machine"
NOT_SHOWN = ("secrets", "timeoutSeconds")


class Service(Containers):
    def __init__(self) -> None:
        super().__init__(Handler)

    def variables(self) -> dict[str, str]:
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}

    def ended(self, job: dict[str, Any]) -> bool:
        return job["status"]["stage"] not in ("SCHEDULING", "RUNNING")

    def answer(self, method: str, path: str, body: dict[str, Any], authorization: str) -> Any:
        parts, query = urlsplit(path).path.strip("/").split("/")[2:], dict(parse_qsl(urlsplit(path).query))
        with self.lock:
            if self.expired or authorization != f"Bearer {TOKEN}":
                raise Refused("", "Invalid credentials in Authorization header", 401)
            if self.throttle:
                self.throttle -= 1
                raise Refused("", "Too many requests", 429)
            self.requests.append((f"{method} {'/'.join(parts[1:])}".strip(), body))
            if parts == ["hardware"]:
                return [hardware(name, gpus) for name, gpus in FLAVORS.items()]
            if parts[0] != NAMESPACE:
                raise Refused("", "You have no rights in this namespace", 403)
            if len(parts) == 1:
                return self.run(body) if method == "POST" else self.listed(query)
            if parts[1] not in self.jobs:
                raise Refused("", "Job not found", 404)
            return self.cancel(parts[1]) if parts[2:] == ["cancel"] else self.jobs[parts[1]]

    def run(self, spec: dict[str, Any]) -> dict[str, Any]:
        labels = spec["labels"]
        if set(spec) != SPEC or spec["environment"] or spec["arguments"] or spec["flavor"] not in FLAVORS:
            raise Refused("", f"wrong fields: {sorted(set(spec) ^ SPEC)}, or flavor {spec.get('flavor')}", 400)
        if not all(LABEL.fullmatch(word) for pair in labels.items() for word in pair):
            raise Refused("", "labels: max 100 characters, alphanumeric, dashes, underscores", 400)
        job_id = uuid.uuid4().hex[:24]
        self.jobs[job_id] = {
            **{name: value for name, value in spec.items() if name not in NOT_SHOWN},
            "id": job_id,
            "createdAt": now(),
            "owner": {"id": "1", "name": NAMESPACE, "type": "org"},
            "status": {"stage": "SCHEDULING", "message": None},
        }
        threading.Thread(target=self._live, args=(job_id, spec), daemon=True).start()
        self.lost_answer()
        return self.jobs[job_id]

    def listed(self, query: dict[str, str]) -> tuple[list[dict[str, Any]], int | None]:
        """Two jobs a page, the newest first."""
        name, _, value = query["label"].partition("=")
        found = [one for one in reversed(self.jobs.values()) if one["labels"].get(name) == value]
        begin = int(query.get("skip", 0))
        return found[begin : begin + 2], begin + 2 if found[begin + 2 :] else None

    def cancel(self, job_id: str) -> dict[str, Any]:
        if not self.ended(self.jobs[job_id]):
            self.jobs[job_id]["status"] |= {"message": "canceled"}
            threading.Thread(target=self.ask_to_end, args=(job_id,), daemon=True).start()
        return self.jobs[job_id]

    def _live(self, job_id: str, spec: dict[str, Any]) -> None:
        job = self.jobs[job_id]
        time.sleep(TICK)
        while self.full and job["status"]["message"] != "canceled":
            job["status"]["message"] = WAITS
            time.sleep(TICK)
        with self.lock:
            if job["status"]["message"] == "canceled":
                job["status"] = {"stage": "CANCELED", "message": None}
                return
            self.processes[job_id] = [self.start(spec["command"], {**spec["secrets"], "JOB_ID": job_id})]
            job |= {"status": {"stage": "RUNNING", "message": None}, "startedAt": now()}
        began, over = time.monotonic(), False
        while not self.wait(job_id, TICK):
            if time.monotonic() - began > spec["timeoutSeconds"] and not over:
                over = True
                self.ask_to_end(job_id)
        self.kill(job_id)
        code = self.processes[job_id][0].wait()
        code = 128 - code if code < 0 else code
        with self.lock:
            if job["status"]["message"] == "canceled":
                status = {"stage": "CANCELED", "message": None}
            elif over or code:
                status = {"stage": "ERROR", "message": "Job timeout" if over else f"Job failed with exit code: {code}"}
            else:
                status = {"stage": "COMPLETED", "message": None}
            seconds = {"schedulingSecs": 0, "runningSecs": int(time.monotonic() - began), "totalSecs": 1}
            job |= {"status": status, "finishedAt": now(), "durations": seconds}


class Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization", "")
        try:
            said = self.service.answer(self.command, self.path, json.loads(body or b"{}"), authorization)
        except ConnectionAbortedError:
            self.close_connection = True
            return
        except Refused as error:
            self.reply(error.status, {"error": str(error)})
            return
        said, more = said if isinstance(said, tuple) else (said, None)
        path = f"{self.path.partition('&skip')[0]}&skip={more}"
        self.reply(200, said, {"Link": f'<{self.service.url}{path}>; rel="next"'} if more else {})

    do_POST = do_GET

    def reply(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


def hardware(name: str, gpus: int) -> dict[str, Any]:
    accelerator = {"type": "gpu", "model": "L4", "quantity": str(gpus), "vram": "96 GB", "manufacturer": "Nvidia"}
    return {
        "name": name,
        "prettyName": name,
        "cpu": "2 vCPU",
        "ram": "16 GB",
        "ephemeralStorage": "20 GB",
        "unitCostMicroUSD": 167,
        "unitCostUSD": 0.000167,
        "unitLabel": "minute",
        "accelerator": accelerator if gpus else None,
    }


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

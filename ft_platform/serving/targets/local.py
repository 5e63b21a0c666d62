"""The platform's own server on this machine. What it serves is a file that it reads every few seconds
(`serving.live`): both releases are in memory while traffic is switched, so no request is lost."""

import dataclasses
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ft_platform.errors import EndpointFailed, EndpointUnavailable
from ft_platform.models.endpoint import require_allowed_endpoint
from ft_platform.serving.client import call
from ft_platform.serving.live import Live, change_live, read_live
from ft_platform.serving.rollout.under_way import CANDIDATE, UnderWay
from ft_platform.serving.targets.asking import key_of
from ft_platform.serving.targets.contract import Endpoint, Model, Status
from ft_platform.serving.targets.patience import cleared
from ft_platform.use_case.settings.serving_targets import LocalTarget

SWITCH_SECONDS = 60.0
POLL_SECONDS = 0.2
ANSWER_SECONDS = 10.0
LOAD_SECONDS = 120.0
"""From its first answer on, a server gets this long to serve a release: it loads an adapter in seconds."""
LOG = "server.log"


class Local:
    """A server for this machine (`targets.contract.Target`).

    Args:
        home: folder of the installation.
        beside: other use cases that the server is started with.

    Raises:
        ConfigError: the installation does not allow its address, or the variable of the key is not set.
    """

    def __init__(self, settings: LocalTarget, home: Path, use_case: str, beside: Sequence[str] = ()) -> None:
        require_allowed_endpoint(settings.url)
        self._settings, self._home, self._use_case = settings, home, use_case
        self._key = key_of(settings.api_key_env)
        self._beside = list(beside)
        self._server: subprocess.Popen[bytes] | None = None

    def deploy(self, model: Model) -> None:
        running = self._is_running()
        unnoted = running and read_live(self._home, self._use_case) is None  # served as the newest release, until now
        if unnoted and (now := self._listed().get(self._use_case)):
            self._change(lambda live: live.with_traffic(now))
        self._change(lambda live: dataclasses.replace(live, candidate=model.release))
        if not running:
            self._start()

    def wait(self, model: Model, seconds: float, on_wait: Callable[[str], None]) -> Endpoint:
        name = f"{self._use_case}@{CANDIDATE}"
        with cleared(lambda: self._change(lambda live: dataclasses.replace(live, candidate=None))):
            self._until(name, model.release, seconds, on_wait)
        return Endpoint(self._settings.url, name, self._key, ours=True)

    def switch(self, release: str) -> None:
        before = read_live(self._home, self._use_case) or Live()
        with cleared(lambda: self._change(lambda _: before)):
            self._change(lambda live: live.with_traffic(release))
            self._until(self._use_case, release, SWITCH_SECONDS, lambda what: None)

    def roll_out(self, rollout: UnderWay) -> None:
        """Tries the release that `deploy` put there on a share of the traffic, within seconds."""
        self._change(lambda live: dataclasses.replace(live, rollout=rollout))

    def delete(self, release: str) -> None:
        if read_live(self._home, self._use_case) is not None:
            self._change(lambda live: live.without(release))

    def status(self) -> Status:
        live = read_live(self._home, self._use_case)
        try:
            listed = self._listed()
        except EndpointUnavailable as error:
            absent = live is None or not live.releases
            return Status("absent" if absent else "failed", replicas=0, message=str(error))
        now = listed.get(self._use_case)
        others = tuple(dict.fromkeys(one for one in listed.values() if one != now))
        if now is None:
            return Status("starting" if live and live.releases else "absent", others=others, replicas=1)
        endpoint = Endpoint(self._settings.url, self._use_case, self._key, ours=True)
        return Status("ready", now, others, 1, endpoint=endpoint, started=self._started())

    def cost_per_day(self) -> float | None:
        return None if self._settings.cost_per_hour is None else 24 * self._settings.cost_per_hour

    def _change(self, change: Callable[[Live], Live]) -> None:
        change_live(self._home, self._use_case, change)

    def _started(self) -> str:
        return str(call(self._settings.url, "/health", key=self._key, timeout=ANSWER_SECONDS)["started"])

    def _listed(self) -> dict[str, str]:
        """Name of a served model of this use case -> release."""
        found = call(self._settings.url, "/v1/models", key=self._key, timeout=ANSWER_SECONDS)["data"]
        return {one["id"]: one["release"] for one in found if one.get("use_case") == self._use_case}

    def _until(self, name: str, release: str, seconds: float, on_wait: Callable[[str], None]) -> None:
        end, answered = time.monotonic() + seconds, False
        while True:
            try:
                now = self._listed().get(name)
                end, answered = end if answered else min(end, time.monotonic() + LOAD_SECONDS), True
                if now == release:
                    return
                why = f"does not serve {release} as {name}" + (f", but {now}" if now else "")
            except EndpointUnavailable:
                why = "does not answer"
            if ended := self._server is not None and self._server.poll() is not None:
                why = "ended"
            if ended or time.monotonic() > end:
                raise EndpointFailed(
                    f"the server at {self._settings.url} {why}",
                    f"See {self._log}, or run it in a terminal: ft serve {' '.join(self._names)}",
                )
            on_wait(f"the server {why}")
            time.sleep(POLL_SECONDS)

    def _is_running(self) -> bool:
        """A busy server runs too: another one beside it would want its port."""
        try:
            socket.create_connection(self._address, timeout=5).close()
        except OSError:
            return False
        return True

    @property
    def _address(self) -> tuple[str, int]:
        address = urlsplit(self._settings.url)
        return address.hostname or "127.0.0.1", address.port or 80

    @property
    def _names(self) -> list[str]:
        return sorted({self._use_case, *self._beside})

    @property
    def _log(self) -> Path:
        return self._home / "serving" / LOG

    def _start(self) -> None:
        """A server that goes on when this process ends, and is started again when it dies."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        host, port = self._address
        command = [sys.executable, "-m", "ft_platform.cli", "serve", *self._names, "--host", host, "--port", str(port)]
        with open(self._log, "ab") as log:
            self._server = subprocess.Popen(
                [*command, "--restart"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

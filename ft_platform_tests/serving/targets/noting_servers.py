"""Servers whose releases with traffic are noted in a file of this machine (`serving.live`)."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform.errors import EndpointFailed
from ft_platform.serving import live as live_module
from ft_platform.serving.live import OWN_SERVER, Live, listed, live_path, read_live, write_live
from ft_platform_tests.serving.targets.stand_in import Reply, Request, StandIn

KEY = "server-key-71e0"


class NotingServer(StandIn):
    """A server, and the file beside it: both are what is there.

    Attributes:
        put_by_others: release -> looks at the list until it shows it. Put there by a platform team, or released.
        servers: more servers that the target started, one too many.
    """

    STATE = ("put_by_others",)

    def __init__(self, home: Path, use_case: str, place: str) -> None:
        self.of = home, use_case, place
        self.put_by_others: dict[str, int] = {}
        self.servers: list[str] = []
        super().__init__()

    def put(self, release: str) -> None:
        self.put_by_others.setdefault(release, self.slow + self.lag)

    def dies_before_its_next_write(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process that was killed writes no file either."""

        def write(*given: Any) -> None:
            if self.dead_from is not None and len(self.calls) >= self.dead_from:
                raise EndpointFailed("the process was killed")
            write_live(*given)

        monkeypatch.setattr(live_module, "write_live", write)

    def paid(self) -> list[str]:
        noted = read_live(*self.of) or Live()
        return [*sorted({*noted.releases, *filter(None, [noted.candidate])}), *self.servers]

    def saved(self) -> dict[str, Any]:
        noted = read_live(*self.of)
        return {**super().saved(), "noted": dataclasses.asdict(noted) if noted and noted != Live() else {}}

    def restore(self, saved: dict[str, Any]) -> None:
        rest = dict(saved)
        noted = rest.pop("noted")
        super().restore(rest)
        live_path(*self.of).unlink(missing_ok=True)
        if noted:
            write_live(*self.of[:2], Live(**noted), self.of[2])

    def refusal(self, request: Request, busy: bool) -> Reply:
        return Reply(429 if busy else 403, {"error": {"message": f"refused {self.said}"}})

    def handle(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return Reply(401, {"error": {"message": "Unauthorized"}})
        if request.path == "/v1/chat/completions":
            release = self.served(looked=False).get(request.body["model"])
            return (
                self.answer(release, request.body) if release else Reply(404, {"error": {"message": "no such model"}})
            )
        if request.path == "/v1/models":
            cards = [self.card(*one) for one in self.served(looked=True).items()]
            return Reply(body={"object": "list", "data": cards})
        if request.path == "/health":
            return Reply(body={"status": "ok", "started": "2026-03-01T00:00:00+00:00"})
        return Reply(404, {"error": {"message": "no such path"}})

    def card(self, name: str, release: str) -> dict[str, Any]:
        return {"id": name, "object": "model"}

    def served(self, looked: bool) -> dict[str, str]:
        """Name of a model -> the release that answers."""
        raise NotImplementedError

    def ready(self, looked: bool) -> list[str]:
        """Releases that can answer, the newest last."""
        for release in self.put_by_others if looked else ():
            self.put_by_others[release] -= 1
        return [one for one, looks in self.put_by_others.items() if looks < 0 and one not in self.broken]


class OpenAIServer(NotingServer):
    """It lists `<use case>-<release>` for what a platform team put there."""

    def served(self, looked: bool) -> dict[str, str]:
        return {f"{self.of[1]}-{release}": release for release in self.ready(looked)}


class OwnServer(NotingServer):
    """The platform's own: names are those of `serving.live.listed`. A name keeps its release until the next is in
    memory."""

    STATE = ("put_by_others", "names")

    def __init__(self, home: Path, use_case: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[str, str] = {}
        super().__init__(home, use_case, OWN_SERVER)
        monkeypatch.setattr(live_module, "standing_releases", lambda lake, use_case: self.standing())

    def standing(self) -> list[Any]:
        return [SimpleNamespace(id=one, checkpoint=f"ckpt-{one}") for one in reversed(self.put_by_others)]

    def served(self, looked: bool) -> dict[str, str]:
        lake: Any = None
        wanted = {name: one.id for name, one in listed(lake, *self.of[:2]).items()}
        ready = self.ready(looked)
        self.names = {
            name: release if release in ready else self.names[name]
            for name, release in wanted.items()
            if release in ready or name in self.names
        }
        return self.names

    def card(self, name: str, release: str) -> dict[str, Any]:
        return {**super().card(name, release), "use_case": self.of[1], "release": release}

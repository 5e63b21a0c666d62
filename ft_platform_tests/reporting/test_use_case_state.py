"""Every state of a use case, at every place that shows one. Evidence is made up; decisions, releases, withdrawals and
verdicts are made by the functions of the product."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.errors import VersionRefused
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import NOT_BLOCKED, releases, require_not_blocked
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED, SAW_NO_ERASED
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring import answering as answering_module
from ft_platform.monitoring.day_reports import Alarm, DayReport
from ft_platform.people.may import Permissions
from ft_platform.release.releasing import withdraw
from ft_platform.reporting.use_case_state import STATES, state_of
from ft_platform.use_case.file import load_use_case, use_case_folder
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.policy import Policy
from ft_platform.web.portal_pages.acting import sign_view
from ft_platform.web.portal_pages.asking import Asking
from ft_platform.web.portal_pages.needs import CONCERNED
from ft_platform.web.portal_pages.pages import Portal
from ft_platform.web.portal_pages.register import register_of
from ft_platform.web.portal_pages.site import Reports
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.releases import released as released_again
from ft_platform_tests.release.evidence_case import changed
from ft_platform_tests.release.test_releasing import Case
from ft_platform_tests.reporting.page_rules import Page
from ft_platform_tests.tiny_models import usable_splits

NAME = "complaints"
HOPEFUL = ("It may be released.", "release accepted")


class Desk(Case):
    """A use case with a file, in an installation with a target on this machine."""

    def open(self) -> "Desk":
        self._settle()
        self.lake = open_lake(self.environment)
        self.versions = {}
        return self

    def _settle(self) -> None:
        super()._settle()
        self.environment = Environment(home=self.home, defs=self.home / "defs", tracking_uri="none", policy=self.policy)
        write_use_case(self.environment.defs, NAME, self.attributes_used)
        self.use_case = load_use_case(use_case_folder(self.environment.defs, NAME), environment=self.environment)

    def publish(self) -> "Desk":
        """With the figures that pages show beside those of the rules."""
        self.figures["evaluation_report"] |= {"confusion": {}, "labels": ["card", "loan"]}
        self.figures["fairness_report"] |= {"gaps": {}, "max_gap": 0.1}
        super().publish()
        return self

    def deployed(self) -> None:
        """The newest release has the traffic of the target `local`, as the record of a deployment says."""
        release = releases(self.lake, NAME)[0]
        record = {"target": "local", "release": release.id, "checkpoint": dict(release.record["checkpoint"])}
        self._file(
            "deployment",
            f"deployment-{release.id}",
            "deployment.json",
            record,
            {"target": "local", "release": release.id},
        )

    def watched(self, *alarms: Alarm) -> None:
        day = datetime.now(UTC).date().isoformat()
        about: Any = {"releases": [releases(self.lake, NAME)[0].id], "reference": "evaluation_report", "requests": 100}
        report = DayReport(use_case=NAME, day=day, alarms=list(alarms), **about)
        found = report.model_dump(mode="json")
        self._file("monitoring_report", f"day-{len(alarms)}", "monitoring.json", found, {"day": day})

    def _file(self, stage: str, artifact_id: str, file: str, content: Any, info: dict[str, Any]) -> None:
        with self.lake.scratch(NAME, stage) as folder:
            folder.mkdir(parents=True)
            (folder / file).write_text(json.dumps(content))
            how: Any = {"settings_hash": "s", "input_hash": artifact_id, "info": info}
            self.lake.publish(NAME, stage, artifact_id, folder, parents=[], **how)

    def erased(self) -> None:
        """As an erasure leaves a checkpoint that learned from the rows, and its releases."""
        numbers = {"rows": 47, "reasons": {"erased": 47}, "request": "erasure-1"}
        self.lake.add_verdict(self.versions["adapter_checkpoint"], SAW_NO_ERASED, False, "", numbers)
        withdraw(self.lake, self.use_case, releases(self.lake, NAME)[0].id, reason="Erasure: erasure-1", by="ana")


def nothing(desk: Desk) -> None: ...


def data(desk: Desk) -> None:
    desk.versions["splits"] = usable_splits(desk.lake, desk.use_case)


def trained(desk: Desk) -> None:
    data(desk)
    desk.versions["adapter_checkpoint"] = desk.checkpoint()


def evaluated(desk: Desk) -> None:
    desk.publish()


def accepted(desk: Desk) -> None:
    desk.publish()
    desk.published_decision()


def refused(desk: Desk) -> None:
    desk.figures = changed(desk.figures, "privacy_report", ("membership",), None)
    accepted(desk)


def ended(desk: Desk) -> None:
    """Accepted; then the policy of the installation becomes stricter."""
    accepted(desk)
    desk.policy = Policy(name="stricter", suites=["safety"])
    desk._settle()


def altered(desk: Desk) -> None:
    """Accepted; then somebody swaps the evaluation."""
    accepted(desk)
    (Path(desk.versions["evaluation_report"].uri) / "metrics.json").write_text("{}")


def tainted(desk: Desk) -> None:
    """Accepted; then records of the checkpoint are withdrawn."""
    accepted(desk)
    numbers = {"rows": 3, "reasons": {"consent_withdrawn": 3}}
    desk.lake.add_verdict(desk.versions["adapter_checkpoint"], NOT_TAINTED, False, "", numbers)


def released(desk: Desk) -> None:
    desk.publish()
    desk.released()


def live(desk: Desk) -> None:
    released(desk)
    desk.deployed()


def alarmed(desk: Desk) -> None:
    live(desk)
    desk.watched(Alarm(what="label", kind="outputs", since="2026-12-01", evidence="more than before"))


def acknowledged(desk: Desk) -> None:
    live(desk)
    desk.watched()


def blocked(desk: Desk) -> None:
    live(desk)
    first = releases(desk.lake, NAME)[0]
    desk.lake.add_verdict(first.version, NOT_BLOCKED, False, "", {"reason": "errors of the canary"})


def released_and_tainted(desk: Desk) -> None:
    live(desk)
    numbers = {"rows": 3, "reasons": {"consent_withdrawn": 3}}
    desk.lake.add_verdict(desk.versions["adapter_checkpoint"], NOT_TAINTED, False, "", numbers)


def withdrawn(desk: Desk) -> None:
    live(desk)
    withdraw(desk.lake, desk.use_case, releases(desk.lake, NAME)[0].id, reason="Wrong answers", by="ana")


def erased(desk: Desk) -> None:
    live(desk)
    desk.erased()


def erased_back(desk: Desk) -> None:
    """The checkpoint before it has the traffic again."""
    live(desk)
    desk.again("better")
    desk.released()
    desk.deployed()
    desk.erased()


def unreadable(desk: Desk) -> None:
    live(desk)
    (Path(releases(desk.lake, NAME)[0].version.uri) / "release.json").write_text("{")


CASES: dict[str, tuple[Callable[[Desk], None], str, bool | None, str]] = {
    # name: how it is made, its state, what the server has (None: none runs), a word that every page shows
    "nothing": (nothing, "nothing", None, "Nothing was made yet."),
    "data": (data, "data", None, "no model yet"),
    "trained": (trained, "trained", None, "not evaluated yet"),
    "evaluated": (evaluated, "evaluated", None, "There is no release decision yet."),
    "accepted": (accepted, "accepted", None, "It may be released."),
    "refused": (refused, "refused", None, "It may not be released."),
    "a stricter policy": (ended, "refused", None, "It may no longer be released"),
    "an altered evaluation": (altered, "refused", None, "It may no longer be released"),
    "withdrawn records": (tainted, "refused", None, "It may no longer be released"),
    "released": (released, "released", None, "is released, and not deployed"),
    "live": (live, "live", True, "is live at local"),
    "alarmed": (alarmed, "alarmed", True, "1 alarm on"),
    "acknowledged": (acknowledged, "live", True, "is live at local"),
    "no server runs": (live, "down", None, "Production is down"),
    "the server has nothing": (live, "down", False, "Production is down"),
    "blocked": (blocked, "blocked", True, "was rolled back: errors of the canary"),
    "released, then tainted": (released_and_tainted, "withdrawn", False, "Production is down"),
    "withdrawn": (withdrawn, "withdrawn", False, "Production is down"),
    "erased": (erased, "withdrawn", False, "Erasure: erasure-1"),
    "erased, and back": (erased_back, "live", True, "is live at local"),
    "unreadable": (unreadable, "unknown", True, "Nobody can tell what may be used"),
}


@contextmanager
def server(listed: Callable[[], str]) -> Iterator[str]:
    """A server that lists one release, as `GET /v1/models` of ours does. Yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one = {"id": NAME, "use_case": NAME, "release": listed()}
            content = json.dumps({"data": [one] if one["release"] else []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


@pytest.fixture(params=CASES)
def desk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Desk, str, str]]:
    make, state, has, words = CASES[request.param]
    monkeypatch.setattr(answering_module, "_KEPT", {})
    said = {"release": ""}
    with server(lambda: said["release"]) as url:
        targets = {"local": {"kind": "local", "url": url if has is not None else "http://127.0.0.1:9"}}
        made = Desk(tmp_path, attributes={"serving": {"targets": targets}}).open()
        make(made)
        with suppress(Exception):  # one that cannot be read
            stand = [one for one in releases(made.lake, NAME) if not one.withdrawn]
            said["release"] = stand[0].id if has and stand else ""
        monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: made.environment)
        yield made, state, words


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def pages(desk: Desk) -> dict[str, str]:
    """Every page that shows a state, as text."""

    def load() -> dict[str, Any]:
        return {NAME: load_use_case(use_case_folder(desk.environment.defs, NAME), environment=desk.environment)}

    portal, reports = Portal(desk.lake, load), Reports(desk.lake, load)
    shown: dict[str, Any] = {path: portal.page(path) for path in ("/", "/board", "/register", "/needs")}
    shown["home"] = reports.page(f"/{NAME}/")
    if decision := next(iter(desk.lake.artifacts(NAME, "release_decision")), None):
        address = f"/{NAME}/release_decision/{decision.artifact_id}/decision_brief.html"
        with suppress(Exception):
            shown["report"] = reports.page(address)
    return {name: " ".join(Page(page.content.decode()).words.split()) for name, page in shown.items() if page}


def test_every_place_says_the_state_and_none_is_more_hopeful_than_the_rules(
    desk: tuple[Desk, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    made, name, words = desk
    state = state_of(made.lake, NAME, made.use_case)
    assert (state.name, words in " ".join(state.all_words)) == (name, True), state
    assert name in STATES
    (row,) = listed(capsys, "list")
    assert (row["state"], row["state_words"]) == (name, state.words)
    shown = pages(made)
    for place in ("home", "/", "/register", *(["report"] if "report" in shown else [])):
        assert " ".join(state.words.split()) in shown[place], place
    assert name in shown["/board"].partition("wrong complaints")[2][:200]  # its line of the table

    capsys.readouterr()
    accepts = main(["decide", NAME, "--json"]) == 0
    capsys.readouterr()
    for place, text in shown.items() if not accepts else ():
        head = text.split("From data to production")[0] if place == "home" else text.split("Decision brief")[0]
        assert not [one for one in HOPEFUL if one in head], place
    assert accepts or row["decision"] != "accepted"

    needs = listed(capsys, "needs")
    first = [one for one in needs if one["kind"] == "production"]
    assert {one["role"] for one in first} == ({*CONCERNED} if state.is_down else set())
    assert needs[: len(first)] == first, "production that is down comes first"
    released_as = state.release.id if state.release else None
    table = Portal(made.lake, lambda: {NAME: made.use_case}).page("/portfolio.csv")
    assert table and (f",{released_as}," in table.content.decode()) is (released_as is not None)


def test_the_register_takes_no_evidence_of_a_candidate_that_nobody_released(tmp_path: Path) -> None:
    release = {"intended_use": "Routing of complaints.", "risk_class": "high"}
    made = Desk(tmp_path, attributes={"release": release}).open()
    released(made)
    made.versions["adapter_checkpoint"] = made.checkpoint("candidate")
    made.add("human_review", "-of-the-candidate")
    made.add("privacy_report", "-of-the-candidate")
    (row,) = register_of(made.lake, {NAME: made.use_case})
    shown = [href for one in row.evidence for _, href, _ in one.shown]
    assert row.release and shown and not [href for href in shown if "candidate" in href]


def test_what_is_released_is_not_offered_for_a_release(tmp_path: Path) -> None:
    made = Desk(tmp_path).open()
    accepted(made)
    asking = Asking(made.lake, made.use_case, Permissions(use_cases={NAME: made.use_case}), None)
    assert sign_view(asking).values["released_as"] == ""
    version = made.released()
    assert sign_view(asking).values["released_as"] == version.artifact_id


def test_a_use_case_without_a_file_is_never_said_to_be_ready(tmp_path: Path) -> None:
    made = Desk(tmp_path).open()
    accepted(made)
    state = state_of(made.lake, NAME, None)
    assert (state.name, state.is_good) == ("refused", False) and "its file cannot be read" in state.words


def test_a_checkpoint_that_was_rolled_back_stays_blocked_when_it_is_released_again(tmp_path: Path) -> None:
    made = Desk(tmp_path).open()
    blocked(made)
    again = released_again(made.lake, made.versions["adapter_checkpoint"])
    assert releases(made.lake, NAME)[0].id == again.artifact_id
    with pytest.raises(VersionRefused, match="was rolled back automatically"):
        require_not_blocked(made.lake, releases(made.lake, NAME)[0])
    state = state_of(made.lake, NAME, made.use_case)
    assert (state.name, state.release) == ("blocked", None)


def test_what_a_page_reads_grows_with_the_releases_and_not_with_their_square(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, read, files = Desk(tmp_path).open(), Lake.read_file, []

    def counted(lake: Lake, version: ArtifactVersion, name: str) -> bytes:
        files.append(name)
        return read(lake, version, name)

    monkeypatch.setattr(Lake, "read_file", counted)
    live(made)
    took = []
    for more in (4, 8):
        for _ in range(more):
            released_again(made.lake, made.versions["adapter_checkpoint"])
        files.clear()
        assert state_of(made.lake, NAME, None).release
        took.append(files.count("release.json"))
    assert took == [5, 13], "each once"

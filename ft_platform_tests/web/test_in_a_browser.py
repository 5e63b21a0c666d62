"""A real browser: Dagster's pages work behind the guard, and the page of somebody else reaches nothing."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest

pytest.importorskip("dagster_webserver")
from ft_platform.assets.pictures import pictures_of
from ft_platform.assets.stage import report_link
from ft_platform.lake.opening import open_lake
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.reporting.data_plots import counts_plot
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.web.browser import CHROMIUM, WAIT_SECONDS, Page, chromium
from ft_platform_tests.web.server import OURS, home_with, webserver

pytestmark = [
    pytest.mark.components(name="browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install --no-install-recommends chromium"),
]

# What a page can do unasked, and what it can try with the browser's leave. Its answers say what it could read.
ATTACKER = """<!doctype html><title>waiting</title><body><script>
const target = "http://127.0.0.1:PORT", tried = {};
const mutation = (key) => `mutation{setConcurrencyLimit(concurrencyKey:"${key}",limit:3)}`;
const read = async (name, address, options) => {
  try { const answer = await fetch(address, options); tried[name] = answer.type === "opaque" ? "sent" : await answer.text(); }
  catch (error) { tried[name] = "refused"; }
};
const socket = () => new Promise((done) => {
  const made = new WebSocket(target.replace("http", "ws") + "/graphql", "graphql-ws");
  made.onopen = () => done("open"); made.onerror = () => done("refused");
});
const embedded = (kind, path) => new Promise((done) => {
  const made = document.createElement(kind); made.onload = () => done("loaded"); made.onerror = () => done("refused");
  made.src = target + path; document.body.append(made); setTimeout(() => done("no answer"), 3000);
});
const form = () => new Promise((done) => {
  const frame = document.createElement("iframe"); frame.name = "posted"; document.body.append(frame);
  const made = document.createElement("form");
  Object.assign(made, {method: "post", enctype: "text/plain", target: "posted", action: target + "/report_asset_materialization/attack"});
  document.body.append(made); made.submit(); setTimeout(() => done("sent"), 500);
});
(async () => {
  const body = (key) => JSON.stringify({query: mutation(key)});
  await read("plain", target + "/graphql", {method: "POST", mode: "no-cors", headers: {"content-type": "text/plain"}, body: body("plain")});
  await read("json", target + "/graphql", {method: "POST", headers: {"content-type": "application/json"}, body: body("json")});
  await read("get", target + "/graphql?query=" + encodeURIComponent(mutation("get")), {mode: "no-cors"});
  await read("debug", target + "/download_debug/RUN");
  tried.image = await embedded("img", "/graphql?query=" + encodeURIComponent(mutation("image")));
  tried.icon = await embedded("img", "/favicon.png");
  tried.socket = await socket();
  tried.form = await form();
  document.title = JSON.stringify(tried);
})();
</script>"""  # noqa: E501


@pytest.fixture(scope="module")
def run_id() -> str:
    return "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, run_id: str) -> Path:
    made = home_with(tmp_path_factory.mktemp("browser"))
    with dg.DagsterInstance.from_config(str(made)) as instance:
        instance.create_run_for_job(
            dg.job(name="nothing")(lambda: None), run_id=run_id, status=dg.DagsterRunStatus.STARTED
        )
    return made


@pytest.fixture(scope="module")
def port(home: Path) -> Iterator[int]:
    with webserver(OURS, home) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    # evil.example is a name of this machine for this browser: what DNS rebinding comes to.
    with chromium(tmp_path_factory.mktemp("chromium"), "--host-resolver-rules=MAP evil.example 127.0.0.1") as found:
        yield found


def test_dagsters_pages_work_behind_the_guard(page: Page, port: int, run_id: str) -> None:
    page.open(f"http://127.0.0.1:{port}/runs/{run_id}")
    assert page.wait_for(
        f"document.body.innerText.includes({run_id[:8]!r}) && document.body.innerText.includes('Started')"
    )
    assert page.wait_for(
        "performance.getEntriesByType('resource').filter(one => one.name.includes('graphql')).length > 2"
    )
    asked = [one["response"] for one in page.told("Network.responseReceived") if f":{port}/" in one["response"]["url"]]
    assert sum("/graphql" in one["url"] for one in asked) > 2
    assert [(one["url"], one["status"]) for one in asked if one["status"] >= 400] == []
    sockets = [one["response"]["status"] for one in page.told("Network.webSocketHandshakeResponseReceived")]
    assert sockets and set(sockets) == {101}
    subscribed = [one["response"]["payloadData"] for one in page.told("Network.webSocketFrameSent")]
    assert any("subscription" in text for text in subscribed)
    received, deadline = set(), time.monotonic() + WAIT_SECONDS
    while not {"connection_ack", "data"} <= received and time.monotonic() < deadline:
        # Meanwhile the browser tells what it received.
        page.value("new Promise((done) => setTimeout(() => done(true), 200))")
        received = {
            json.loads(one["response"]["payloadData"])["type"] for one in page.told("Network.webSocketFrameReceived")
        }
    assert {"connection_ack", "data"} <= received
    assert page.told("Network.webSocketClosed") == []


def test_a_page_of_another_origin_changes_and_reads_nothing(page: Page, port: int, home: Path, run_id: str) -> None:
    content = ATTACKER.replace("PORT", str(port)).replace("RUN", run_id).encode()

    class Attacker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Attacker) as attacker:
        threading.Thread(target=attacker.serve_forever, daemon=True).start()
        page.open(f"http://evil.example:{attacker.server_port}/")
        assert page.wait_for("document.title.startsWith('{')"), page.value("document.title")
        attacker.shutdown()
    tried = json.loads(page.value("document.title"))
    # A request in `no-cors` mode is sent and answered with a refusal that the page cannot read.
    assert {name: found for name, found in tried.items() if found not in ("refused", "sent")} == {}
    assert {"json", "debug", "image", "icon", "socket"} <= {name for name, found in tried.items() if found == "refused"}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.event_log_storage.get_concurrency_keys()
        assert not instance.all_asset_keys()


def test_a_name_that_somebody_points_at_this_machine_reads_nothing(page: Page, port: int, run_id: str) -> None:
    page.open(f"http://evil.example:{port}/download_debug/{run_id}")
    assert page.wait_for("document.body.innerText.includes('addressed by another name')")
    answers = [one["response"]["status"] for one in page.told("Network.responseReceived")]
    assert answers and set(answers) == {421}


def test_dagsters_pages_show_pictures_of_the_portal_and_lead_there(page: Page, tmp_path: Path) -> None:
    """By another name than the server prints: links and pictures have none."""
    environment = Environment(home=tmp_path, tracking_uri="none")
    lake, home = open_lake(environment), home_with(tmp_path)
    use_case, stage = "complaints", "evaluation_report"
    with lake.scratch(use_case, stage) as folder:
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("<!DOCTYPE html>\n<title>Evaluation</title>\n<body>\n<main>Done</main>\n")
        (folder / "plot.png").write_bytes(counts_plot({"yes": 3, "no": 1}, "records"))
        report = lake.publish(use_case, stage, "eval-1", folder, parents=[], settings_hash="s", input_hash="i")
    shown = {**report_link(environment, report, lake.manifest(report)), **pictures_of(lake, environment, report)}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(
            dg.AssetMaterialization([use_case, stage], metadata=vouched_metadata(shown))
        )
    (tmp_path / "one_asset.py").write_text(
        "import dagster as dg\n\n\n@dg.asset(key_prefix='complaints')\ndef evaluation_report(): ...\n"
    )
    words = ("-m", "ft_platform.web.dagster_webserver", "-f", str(tmp_path / "one_asset.py"))
    with webserver(words, home) as port:
        page.open(f"http://localhost:{port}/assets/{use_case}/{stage}")
        picture = "[...document.images].some(one => one.src.endsWith('/eval-1/plot.png') && one.naturalWidth > 0)"
        assert page.wait_for(picture), page.value("document.body.innerText")
        link = page.value("[...document.links].map(one => one.href).find(one => one.endsWith('/report.html'))")
        assert link == f"http://localhost:{port}/portal/complaints/evaluation_report/eval-1/report.html"
        page.open(link)
        assert page.wait_for("document.querySelector('main')?.innerText == 'Done'")
        page.open(page.value("document.querySelector('nav.you a').href"))
        assert page.wait_for("document.querySelector('#root')?.innerText.includes('Overview')")

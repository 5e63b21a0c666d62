"""Grafana's dashboard and Prometheus' rules: valid by Grafana's own schemas, and about figures that the server has."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import promql_parser
import pytest
import yaml

from ft_platform.monitoring.traffic.spool import Spool
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.serving.fakes import FakeEngine, app_of, running, served, wait_until
from ft_platform_tests.serving.test_guardrails import CHAT, CLASSIFY, QUESTION, model
from ft_platform_tests.web.server import free_port

DASHBOARD = REPOSITORY / "infra" / "grafana" / "ft_platform.json"
RULES = REPOSITORY / "infra" / "prometheus" / "rules.yml"
SCHEMAS = Path(__file__).parent / "grafana"
OF_PROMETHEUS = {"instance", "job"}
"""Labels that Prometheus adds to what it scrapes."""


def dashboard() -> dict[str, Any]:
    return json.loads(DASHBOARD.read_text())


def problems(told: dict[str, Any]) -> list[str]:
    """Where a dashboard is not as Grafana's schemas say: as a whole, and the options and queries of each panel."""

    def found(schema: str, definition: str | None, value: Any) -> list[str]:
        text = json.loads((SCHEMAS / f"{schema}.jsonschema.json").read_text())
        validator = jsonschema.Draft7Validator({**text, "$ref": f"#/definitions/{definition}"} if definition else text)
        return [f"{schema} {list(error.path)}: {error.message}" for error in validator.iter_errors(value)]

    wrong = found("dashboard", None, told)
    for panel in told["panels"]:
        if panel["type"] != "row":
            wrong += found(panel["type"], "Options", panel["options"])
            if custom := panel["fieldConfig"]["defaults"].get("custom"):
                wrong += found(panel["type"], "FieldConfig", custom)
            wrong += [one for target in panel["targets"] for one in found("prometheus", "Dataquery", target)]
    return wrong


def queries() -> dict[str, str]:
    """What asks -> PromQL, with values for Grafana's variables."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
    }
    for name, value in {"$__rate_interval": "10s", "$instance": ".*", "$model": ".*"}.items():
        found = {what: query.replace(name, value) for what, query in found.items()}
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    return {**found, **{rule["alert"]: rule["expr"] for rule in rules}}


def selectors(query: str) -> list[tuple[str, set[str]]]:
    """Name and labels of every figure that a query reads, with the labels that it is grouped by."""
    found: list[tuple[str, set[str]]] = []

    def look(node: Any, by: frozenset[str]) -> None:
        if isinstance(node, promql_parser.AggregateExpr):
            look(node.expr, by | frozenset(node.modifier.labels if node.modifier else ()))
        elif isinstance(node, promql_parser.Call):
            for argument in node.args:
                look(argument, by)
        elif isinstance(node, promql_parser.BinaryExpr):
            look(node.lhs, by)
            look(node.rhs, by)
        elif isinstance(node, (promql_parser.ParenExpr, promql_parser.SubqueryExpr, promql_parser.UnaryExpr)):
            look(node.expr, by)
        elif isinstance(node, promql_parser.MatrixSelector):
            look(node.vector_selector, by)
        elif isinstance(node, promql_parser.VectorSelector):
            assert node.name
            found.append((node.name, {matcher.name for matcher in node.matchers.matchers} | by))
        else:
            assert isinstance(node, promql_parser.NumberLiteral), type(node)

    look(promql_parser.parse(query), frozenset())
    return found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """Address of a server, and a function that asks it for everything that it counts."""
    engine = FakeEngine()
    engine.scored = [-1.0, -1.1, -1.2]  # below the threshold
    spool = Spool(tmp_path_factory.mktemp("spool") / "spool.db")
    spool.start()
    with running(app_of(engine, [model(), served("complaints", "label_head")], notes=spool)) as server:
        wait_until(lambda: len(engine.loaded) == 2 and httpx2.get(f"{server.url}/ready").is_success)

        def ask() -> None:
            chat = {"model": "support", "messages": [{"role": "user", "content": QUESTION}]}
            post = lambda path, **body: httpx2.post(server.url + path, json=body, timeout=20)  # noqa: E731
            answer = post(CHAT, **chat)
            assert post(CHAT, **chat, stream=True).status_code == 200
            assert post(CLASSIFY, model="complaints", input="?").json()["data"][0]["abstained"]
            assert post(CLASSIFY, model="nobody", input="?").status_code == 404
            assert post("/v1/feedback", request_id=answer.json()["id"], rating="good").status_code == 200

        ask()
        yield server.url, ask
    spool.stop()


def test_the_dashboard_is_what_grafanas_schemas_say() -> None:
    assert problems(dashboard()) == []
    kinds = {panel["type"] for panel in dashboard()["panels"]}
    assert kinds == {"row", "stat", "timeseries", "heatmap"}


@pytest.mark.parametrize(
    "planted",
    [
        {"panels": [{"type": "row", "id": "one"}]},
        {"refresh": True, "panels": []},
        {"panels": [{**dashboard()["panels"][1], "options": {"graphMode": "round"}}]},
        {"panels": [{**dashboard()["panels"][1], "targets": [{"expr": 7}]}]},
    ],
)
def test_a_dashboard_that_is_wrong_is_found(planted: dict[str, Any]) -> None:
    assert problems({**dashboard(), **planted})


def test_panels_do_not_overlap_and_have_titles_and_descriptions() -> None:
    taken: dict[tuple[int, int], str] = {}
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"] and x < 24
        assert panel["type"] == "row" or panel["description"].endswith(".")


def test_every_query_reads_figures_and_labels_that_the_server_has(asked: tuple[str, Any]) -> None:
    text = httpx2.get(f"{asked[0]}/metrics").text
    labels: dict[str, set[str]] = {}
    for name, inside in re.findall(r"^(ft_\w+?)(?:\{(.*)\})? ", text, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r"(\w+)=", inside))
    counted = set(labels)
    labels |= {"up": set(), "ft_serve_gone_total": {"why"}}  # nobody went away, so it has no sample
    assert "# TYPE ft_serve_gone_total counter" in text
    read: set[str] = set()
    for what, query in queries().items():
        for name, used in selectors(query):
            assert name in labels, f"{what}: the server has no {name}"
            assert used <= labels[name] | OF_PROMETHEUS, f"{what}: {name} has no label {used - labels[name]}"
            read.add(name.removesuffix("_bucket"))
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in counted if not name.endswith("_created")}
    assert shown - read == set(), "a figure that nobody sees"


def test_a_query_for_what_is_not_there_would_be_seen() -> None:
    assert selectors('sum by (colour) (rate(ft_serve_requests_total{shape="x"}[5m])) > 1') == [
        ("ft_serve_requests_total", {"colour", "shape"})
    ]
    with pytest.raises(ValueError, match="parenthesis"):
        promql_parser.parse("sum(rate(x[5m])")


@pytest.fixture
def prometheus(asked: tuple[str, Any], tmp_path: Path) -> Iterator[str]:
    """A real Prometheus with the rules, which scrapes the server each second."""
    if not (program := shutil.which("prometheus")):
        pytest.skip("needs Prometheus: apt-get install prometheus")
    target = asked[0].removeprefix("http://")
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "ft_serve", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    process = subprocess.Popen(
        [
            program,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.components(name="prometheus")
def test_a_real_prometheus_answers_every_query_with_figures(asked: tuple[str, Any], prometheus: str) -> None:
    def get(path: str, **parameters: str) -> Any:
        try:
            return httpx2.get(f"{prometheus}/api/v1/{path}", params=parameters, timeout=10).json()["data"]
        except (httpx2.HTTPError, ValueError):
            return None

    wait_until(lambda: bool((get("query", query="ft_serve_running") or {}).get("result")), 30)
    for _ in range(4):
        asked[1]()
        time.sleep(1)
    rules = {rule["name"]: rule for group in get("rules")["groups"] for rule in group["rules"]}
    wait_until(lambda: all(r["health"] == "ok" for g in get("rules")["groups"] for r in g["rules"]))
    for what, query in queries().items():
        result = get("query", query=query)
        assert result is not None, what
        if what not in rules and what != "Refused B":  # nobody went away
            assert result["result"], f"{what}: no figure"


@pytest.mark.components(name="prometheus")
def test_each_alert_is_raised_by_what_it_is_for_and_not_by_less(tmp_path: Path) -> None:
    if not (promtool := shutil.which("promtool")):
        pytest.skip("needs Prometheus: apt-get install prometheus")
    text = (Path(__file__).parent / "rules_test.yml").read_text()
    tested = set(re.findall(r"alertname: (\w+)", text))
    rules = yaml.safe_load(RULES.read_text())
    assert tested == {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    (tmp_path / "test.yml").write_text(text.replace("RULES", str(RULES)))
    done = subprocess.run([promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = RULES.read_text().replace("> 0.01", "> 0.05")
    (tmp_path / "rules.yml").write_text(broken)
    (tmp_path / "test.yml").write_text(text.replace("RULES", str(tmp_path / "rules.yml")))
    done = subprocess.run([promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "FtServeErrors" in done.stdout + done.stderr

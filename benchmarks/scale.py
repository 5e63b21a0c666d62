"""An installation with many use cases, on PostgreSQL: how long its code location loads, what one run costs beside one
in an installation with one use case, and how fast pages are in a browser with 10,000 materializations and while runs
go on.

python benchmarks/scale.py --json                       # all of it; needs PostgreSQL's server and Chromium
python benchmarks/scale.py --use-cases 200 --only load  # no server
"""

import argparse
import getpass
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case
from ft_platform_tests.postgres_server import keep_instance_there, postgres_server
from ft_platform_tests.web.browser import Page, chromium
from ft_platform_tests.web.server import webserver

RECORDS = "id,text,label,consent,region\n1,Water came in.,problem,yes,north\n2,Thank you.,praise,yes,south\n"
STAGES = ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")
LOAD = """
import json, resource, time
started, used = time.perf_counter(), time.process_time()
import dagster
from ft_platform.definitions import defs
imported = time.process_time()
repository = defs().get_repository_def()
found = {"assets": len(repository.asset_graph.get_all_asset_keys()), "load_s": time.perf_counter() - started,
    "load_cpu_s": time.process_time() - used, "without_imports_cpu_s": time.process_time() - imported,
    "load_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
# What the web server and the daemon ask for next, and wait for.
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value
told = serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True))
print(json.dumps({**found, "described_cpu_s": time.process_time() - used, "described_mb": len(told) / 1e6,
    "described_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
TAG = {"key": "ft/person", "value": getpass.getuser()}
"""Of the runs that are launched here, as of all that a person launches: sensors start others."""
RUNS = """query ($filter: RunsFilter!) { runsOrError(limit: 1, filter: $filter) { __typename
 ... on Runs { count } } }"""
GOING_ON = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
 ... on PythonError { message } } }"""
SHOWS = "!!document.body && document.body.innerText.includes({!r})"
PAGES = {
    # What a person opens -> its path, and what holds once it shows what it was opened for.
    "runs": ("/runs", SHOWS.format("case_")),
    "assets": ("/assets", SHOWS.format("case_")),
    "lineage of a use case": (
        "/locations/ft_platform/asset-groups/case_007/lineage",
        "document.querySelectorAll('foreignObject').length > 10",
    ),
    "an asset": ("/assets/case_007/splits?view=overview", SHOWS.format("anonymized_records")),
    "its events": ("/assets/case_007/splits?view=events", SHOWS.format("Materiali")),
    "portal": ("/portal/", SHOWS.format("case 007")),
    "a use case in the portal": ("/portal/case_007/", SHOWS.format("Case 007")),
}


def made(folder: Path, use_cases: int) -> Environment:
    """An installation whose use cases read one small file."""
    folder.mkdir()
    (folder / "records.csv").write_text(RECORDS)
    for number in range(use_cases):
        attributes = minimal_attributes(str(folder / "records.csv"))
        attributes["description"] += f" Number {number}."  # what was parsed for one file is not taken for another
        write_use_case(folder / "defs", f"case_{number:03d}", attributes)
    return Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")


def variables(environment: Environment) -> dict[str, str]:
    """Of a process that works in this installation."""
    # With `PYTHONDONTWRITEBYTECODE` each process would compile, which no installation does.
    others = ("FT_", "DAGSTER_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    own = {**environment.to_variables(), "DAGSTER_HOME": str(environment.dagster_home)}
    return {**kept, **own, "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))}


def loaded(environment: Environment, repeats: int) -> dict[str, float]:
    """Medians of processes that load the code location."""
    found = []
    for _ in range(repeats + 1):  # the first one compiles
        words = [sys.executable, "-W", "ignore", "-c", LOAD]
        said = subprocess.run(words, env=variables(environment), cwd=REPOSITORY, check=True, capture_output=True).stdout
        found.append(json.loads(said))
    return {name: statistics.median(one[name] for one in found[1:]) for name in found[0]}


def run_once(environment: Environment) -> float:
    """CPU seconds of `ft run` of the first stage of one use case."""
    words = [sys.executable, "-m", "ft_platform.cli", "run", "case_000", "--select", "raw_records"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, env=variables(environment), cwd=environment.home.parent, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run_costs(one: Environment, many: Environment, repeats: int) -> tuple[float, float]:
    """Medians of both, by turns."""
    pairs = [(run_once(one), run_once(many)) for _ in range(repeats + 1)][1:]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def fill(materializations: int, use_cases: int) -> None:
    """The instance of this process gets that many, spread over the stages of all use cases, and a run for each five."""
    with dg.DagsterInstance.get() as instance:
        for number in range(materializations):
            if number % len(STAGES) == 0:
                name = f"case_{number // len(STAGES) % use_cases:03d}"
                run = dg.DagsterRun(name, status=dg.DagsterRunStatus.SUCCESS, tags={"ft/use_case": name})
                instance.run_storage.add_run(run)
            key = dg.AssetKey([f"case_{number % use_cases:03d}", STAGES[number // use_cases % len(STAGES)]])
            instance.report_runless_asset_event(
                dg.AssetMaterialization(key, metadata={"dagster/row_count": number}, tags={"version": str(number)})
            )


@contextmanager
def daemon(environment: Environment, workspace: Path) -> Iterator[None]:
    """Dagster's daemon: it starts what is in the queue of runs."""
    words = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)]
    with (environment.home / "daemon.log").open("w") as log:
        process = subprocess.Popen(words, env=variables(environment), stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:  # it still waits for its code server
                process.kill()
                process.wait()


def asked(port: int, query: str, **given: Any) -> Any:
    """What the web server answers to a query."""
    body = json.dumps({"query": query, "variables": given}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as found:
        answer = json.load(found)
    if "errors" in answer:
        raise SystemExit(str(answer["errors"])[:500])
    return answer["data"]


def runs_that_are(port: int, *statuses: str) -> int:
    """How many of the runs that were launched here have one of these statuses."""
    return asked(port, RUNS, filter={"statuses": statuses, "tags": [TAG]})["runsOrError"]["count"]


def cpu_of(word: str) -> float:
    """CPU seconds that the processes with a word in their command line have used so far."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended
            if word.encode() in (folder / "cmdline").read_bytes():
                found += sum(map(int, (folder / "stat").read_text().rpartition(")")[2].split()[11:13]))
    return found / os.sysconf("SC_CLK_TCK")


def settle(page: Page, *words: str) -> None:
    """Waits until the web server has answered what a page asks for and the browser has kept it, as while a person
    reads; then leaves the page."""
    end = time.monotonic() + 15
    for address in ("", "about:blank"):
        if address:
            page.open(address)
        before, now = -1.0, sum(map(cpu_of, words))
        while now - before > 0.03 and time.monotonic() < end:
            time.sleep(0.3)
            before, now = now, sum(map(cpu_of, words))


def opened(page: Page, address: str, there: str) -> float:
    """Seconds until this holds on a page."""
    started = time.perf_counter()
    page.open(address)
    while time.perf_counter() - started < 60:
        if page.value(there):
            return time.perf_counter() - started
        time.sleep(0.01)
    raise SystemExit(f"{address} : {there} did not hold within a minute: {page.value('document.body.innerText')[:500]}")


def pages(page: Page, port: int, folder: Path, rounds: int) -> dict[str, list[tuple[float, float, float]]]:
    """Seconds of each page, opened in turn, and CPU seconds of the server and of the browser; the first round fills
    caches and is only printed."""
    server, browser = f"--port\0{port}\0", str(folder / "profile")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in PAGES}
    for number in range(rounds + 1):
        for name, (path, there) in PAGES.items():
            settle(page, server, browser)
            before = cpu_of(server), cpu_of(browser)
            seconds = opened(page, f"http://127.0.0.1:{port}{path}", there)
            one = seconds, cpu_of(server) - before[0], cpu_of(browser) - before[1]
            if number:
                found[name].append(one)
            else:
                print(f"first visit of {name}: {seconds:.2f} s", file=sys.stderr, flush=True)
    return found


def launch(port: int, runs: int) -> None:
    """As a person does it in the UI: the first stage of that many use cases."""
    for number in range(runs):
        name = f"case_{number:03d}"
        selector = {
            "repositoryLocationName": "ft_platform",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": [name, "raw_records"]}],
        }
        params = {"selector": selector, "mode": "default", "runConfigData": {}}
        said = asked(port, LAUNCH, params=params)
        if said["launchRun"]["__typename"] != "LaunchRunSuccess":
            raise SystemExit(str(said))


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def in_the_browser(many: Environment, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Pages of an instance on PostgreSQL, in peace and while runs go on."""
    found: dict[str, Any] = {}
    workspace = folder / "workspace.yaml"
    module = {"module_name": "ft_platform.definitions", "location_name": "ft_platform"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"python_module": module}]}))
    with ExitStack() as stack:
        keep_instance_there(many, stack.enter_context(postgres_server()), arguments.runs)
        started = time.perf_counter()
        fill(arguments.materializations, arguments.use_cases)
        found["materializations_per_s"] = arguments.materializations / (time.perf_counter() - started)
        words = ("-m", "ft_platform.web.dagster_webserver", "-w", str(workspace), "-h", "127.0.0.1")
        own = {name: value for name, value in variables(many).items() if name not in os.environ or name == "PYTHONPATH"}
        port = stack.enter_context(webserver(words, many.dagster_home, **{**own, "FT_HOME": str(many.home)}))
        page = stack.enter_context(chromium(folder, "--window-size=1400,900"))
        calm = pages(page, port, folder, arguments.rounds)
        for place, name in enumerate(("pages_s", "pages_server_cpu_s", "pages_browser_cpu_s")):
            found[name] = {page: round(statistics.median(one[place] for one in all_), 2) for page, all_ in calm.items()}
        found["page_p95_s"] = p95([one[0] for all_ in calm.values() for one in all_])
        if arguments.runs:
            stack.enter_context(daemon(many, workspace))
            started = time.perf_counter()
            launch(port, arguments.runs)
            found["launch_s_each"] = (time.perf_counter() - started) / arguments.runs
            busy: list[float] = []
            while runs_that_are(port, *GOING_ON):
                for path, there in PAGES.values():
                    busy.append(opened(page, f"http://127.0.0.1:{port}{path}", there))
                if time.perf_counter() - started > 1500:
                    raise SystemExit("the runs did not end within 25 minutes")
            found["runs_s"] = time.perf_counter() - started
            if runs_that_are(port, "SUCCESS", "FAILURE", "CANCELED") != arguments.runs:
                raise SystemExit("not every run that was launched here was found again")
            found["page_while_runs_p95_s"] = p95(busy)
            found["runs_failed"] = runs_that_are(port, "FAILURE", "CANCELED")
    return found


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--use-cases", type=int, default=200)
    parser.add_argument("--materializations", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=50, help="at once, while pages are opened")
    parser.add_argument("--rounds", type=int, default=5, help="times that each page is opened")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=["load", "run", "pages"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"use_cases": arguments.use_cases}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        one, many = made(folder / "one", 1), made(folder / "many", arguments.use_cases)
        if arguments.only in (None, "load"):
            found |= loaded(many, arguments.repeats)
            found["one_use_case"] = loaded(one, arguments.repeats)
        if arguments.only in (None, "run"):
            of_one, of_many = run_costs(one, many, arguments.repeats)
            found |= {"run_cpu_s": of_many, "selected_ratio": of_many / of_one}
        if arguments.only in (None, "pages"):
            found |= in_the_browser(made(folder / "pages", arguments.use_cases), folder, arguments)
    print(json.dumps(found, indent=1, default=lambda value: round(value, 3)))


if __name__ == "__main__":
    main()

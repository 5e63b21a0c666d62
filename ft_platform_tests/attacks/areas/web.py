"""Web pages of others against Dagster's web application and the report server: foreign names and origins, GraphQL in
other forms, too much at once.

Dagster's real application on a real instance, as the instance's settings have it made. An attack broke through if it
changed the database, or if it was answered as if it had been permitted.
"""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import dagster as dg

from ft_platform.errors import ConfigError
from ft_platform.orchestration.instance import INSTANCE_SETTINGS
from ft_platform.redaction.guarded_instance import GuardedInstance
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web import graphql_limits, guard, listening
from ft_platform.web.listening import Tls, listening_on
from ft_platform.web.report_server import ReportServer, report_server
from ft_platform_tests.attacks.area import Area, Attack

OWN_HOST = "127.0.0.1:3000"
DEPTH, ALIASES, FIELDS, ROOTS = (
    graphql_limits.MAX_DEPTH,
    graphql_limits.MAX_ALIASES,
    graphql_limits.MAX_FIELDS,
    graphql_limits.MAX_ROOT_FIELDS,
)
BODY_BYTES = guard.MAX_BODY_BYTES
READS = ("/server_info", "/download_debug/{run}", "/logs/x/compute_logs/y.err", "/notebook?path=a.ipynb&repoLocName=x")
PORTAL = ("/portal/", "/portal/needs", "/portal/portfolio.csv")
EMBEDDED = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]
"""Headers of a picture, script or style sheet on the page of somebody else."""
REFUSED = range(400, 500)
FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:3000",
    "127.0.0.1.evil.example:3000",
    "localhost:3000.evil.example",
    "localhost@evil.example:3000",
    "127.0.0.1:3001",
)
FOREIGN_ORIGINS = (
    "http://evil.example",
    "https://evil.example:3000",
    "null",
    "http://127.0.0.1:8080",
    "http://localhost:3000",
    "http://127.0.0.1:3000@evil.example",
)
FORMS = (
    "text/plain",
    "text/plain; x=application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=application/json",
    "application/graphql",
)


@dataclass
class Target:
    """What is attacked: the application, its instance and a run of it."""

    app: Any
    instance: dg.DagsterInstance
    run_id: str

    def changed(self) -> bool:
        """Whether the database was changed; changes it back."""
        keys = self.instance.event_log_storage.get_concurrency_keys()
        for key in keys:
            self.instance.event_log_storage.delete_concurrency_limit(key)
        assets = self.instance.all_asset_keys()
        self.instance.wipe_assets(list(assets))
        return bool(keys or assets)

    def broken(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes | list[bytes] = b""
    ) -> str | None:
        """What broke when this was asked, or None."""
        from ft_platform_tests.web.asgi import request

        answer = request(self.app, method, path, headers, body)
        if self.changed():
            return "it changed the database"
        return None if answer.status in REFUSED else f"it was answered with {answer.status}"


def mutation(random: Random) -> str:
    return (
        f'mutation {{setConcurrencyLimit(concurrencyKey: "attack{random.randrange(10**6)}", limit:'
        f" {random.randrange(1, 9)})}}"
    )


def payload(query: str) -> bytes:
    return json.dumps({"query": query}).encode()


def foreign_headers(random: Random) -> tuple[str, list[tuple[str, str]]]:
    """Headers of a request that a page of another origin started, and what is foreign about them."""
    kind = random.choice(["origin", "site", "referer"])
    if kind == "origin":
        origin = random.choice(FOREIGN_ORIGINS)
        return f"origin {origin}", [("origin", origin)]
    if kind == "site":
        site = random.choice(["cross-site", "same-site"])
        mode = random.choice(["navigate", "no-cors", "cors", "websocket"])
        return f"{site} {mode}", [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", "document")]
    return "referer", [("referer", f"http://evil.example/{random.randrange(999)}?{OWN_HOST}")]


def too_much(random: Random) -> Iterator[tuple[str, str]]:
    """Queries beyond each bound, by the bound."""
    deep = random.randrange(DEPTH + 1, 50)
    yield f"{deep} levels", "{a" * deep + "}" * deep
    aliases = random.randrange(ALIASES + 1, 300)
    yield f"{aliases} aliases", "{instance {" + " ".join(f"x{n}: hasInfo" for n in range(aliases)) + "}}"
    fields = random.randrange(FIELDS + 1, 4_500)
    yield f"{fields} fields", "{instance {" + "id " * fields + "}}"
    roots = random.randrange(ROOTS + 1, 20)
    yield f"{roots} fields at the top", "{" + "version " * roots + "}"
    levels = random.randrange(20, 40)
    doubled = "".join(f" fragment f{n} on Instance {{...f{n + 1} ...f{n + 1}}}" for n in range(levels))
    yield (
        f"fragments doubled {levels} times",
        "{instance {...f0}}" + doubled + f" fragment f{levels} on Instance {{id}}",
    )


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    from ft_platform_tests.web.asgi import JSON, dagster_app, websocket

    own = ("host", OWN_HOST)
    environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(guard, "BODY_SECONDS", min(guard.BODY_SECONDS, 0.05)))
        stack.enter_context(
            mock.patch("ft_platform.redaction.guarded_instance.load_environment", return_value=environment)
        )
        stack.enter_context(mock.patch("ft_platform_tests.web.asgi.PATIENCE_SECONDS", 1))
        (folder / "dagster.yaml").write_text(INSTANCE_SETTINGS.read_text())
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(folder)))
        run = instance.create_run_for_job(dg.job(name="nothing")(lambda: None))
        # As Dagster does it in the process of a web server.
        app = stack.enter_context(dagster_app(instance, lambda: instance.optimize_for_webserver(0, 0, 0)))
        target = Target(app, instance, run.run_id)

        def ask(method: str, path: str, headers: list[tuple[str, str]], body: bytes | list[bytes] = b"") -> Attack:
            return lambda: target.broken(method, path, headers, body)

        for number in range(size):
            name, read, page = random.choice(FOREIGN_HOSTS), random.choice(READS), random.choice(PORTAL)
            yield f"{number}: {page} by the name {name}", ask("GET", page, [("host", name)])
            yield f"{number}: {page} in the page of somebody else", ask("GET", page, [own, *EMBEDDED])
            yield f"{number}: {read} by the name {name}", ask("GET", read.format(run=run.run_id), [("host", name)])
            yield (
                f"{number}: a mutation by the name {name}",
                ask("POST", "/graphql", [("host", name), JSON], payload(mutation(random))),
            )
            what, headers = foreign_headers(random)
            yield f"{number}: {read} from {what}", ask("GET", read.format(run=run.run_id), [own, *headers])
            yield (
                f"{number}: a mutation from {what}",
                ask("POST", "/graphql", [own, JSON, *headers], payload(mutation(random))),
            )
            yield (
                f"{number}: a report of an asset from {what}",
                ask("POST", "/report_asset_materialization/attack", [own, JSON, *headers], b"{}"),
            )
            yield f"{number}: a mutation by GET", ask("GET", f"/graphql?query={mutation(random)}", [own])
            form = random.choice(FORMS)
            yield (
                f"{number}: a mutation as {form}",
                ask(
                    "POST",
                    f"/graphql?query={mutation(random)}",
                    [own, ("content-type", form)],
                    payload(mutation(random)),
                ),
            )
            yield (
                f"{number}: a report of an asset without a form",
                ask("POST", f"/report_asset_materialization/attack{number}", [own]),
            )
            yield f"{number}: a host given twice", ask("GET", "/server_info", [own, ("host", name)])
            for bound, query in too_much(random):
                yield f"{number}: {bound}", _executed(target, query)
            yield (
                f"{number}: requests in one batch",
                ask("POST", "/graphql", [own, JSON], b"[" + payload(mutation(random)) + b"]"),
            )
            large = random.randrange(BODY_BYTES + 1, BODY_BYTES + 500_000)
            yield (
                f"{number}: a body of {large} bytes",
                ask("POST", "/graphql", [own, JSON], payload(mutation(random)) + b" " * large),
            )
            yield (
                f"{number}: a body that does not end",
                ask("POST", "/graphql", [own, JSON], [payload(mutation(random))]),
            )
            origin = random.choice(FOREIGN_ORIGINS)
            yield (
                f"{number}: a websocket from {origin}",
                lambda origin=origin: "it was opened" if websocket(app, [own, ("origin", origin)])[0] else None,
            )
            yield f"{number}: a websocket that asks for more", _asks_for_more(target, random, websocket)
            listened = random.choice(["0.0.0.0", "::", f"10.0.0.{random.randrange(1, 255)}", "ml.example.org"])
            yield f"{number}: ft ui --host {listened}", lambda listened=listened: _listens(listened, environment)
        with report_server(environment, "127.0.0.1", 0) as reports:
            for number in range(size):
                name = random.choice(FOREIGN_HOSTS[:5])
                yield f"{number}: reports by the name {name}", lambda name=name: _reported(reports, name)


def _executed(target: Target, query: str) -> Attack:
    """A query that is too much must be refused by the guard, not by what Dagster thinks of its fields."""
    from ft_platform_tests.web.asgi import JSON, request

    def attack() -> str | None:
        answer = request(target.app, "POST", "/graphql", [("host", OWN_HOST), JSON], payload(query))
        return None if answer.status in REFUSED and b'"errors"' not in answer.body else "it reached Dagster"

    return attack


def _asks_for_more(target: Target, random: Random, websocket: Callable[..., tuple[bool, list[Any]]]) -> Attack:
    query = random.choice(
        [mutation(random), "{version}", "subscription {" + "a: locationStateChangeEvents {__typename} " * 50 + "}"]
    )
    messages = [{"type": "start", "id": "1", "payload": {"query": query}}, {"type": "connection_init"}]

    def attack() -> str | None:
        _, answers = websocket(target.app, [("host", OWN_HOST)], messages)
        return "it was executed" if target.changed() else "it was answered" if answers else None

    return attack


def _listens(host: str, environment: Environment) -> str | None:
    try:
        listening_on(host, 3000, Tls(), environment)
    except ConfigError:
        return None
    return "it listens to other machines"


def _reported(server: ReportServer, name: str) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": name})
        return None if connection.getresponse().status in REFUSED else "it was answered"
    finally:
        connection.close()


def without(check: Callable[..., Any]) -> Callable[[], Any]:
    """The guard without one of its checks."""
    return lambda: mock.patch.object(guard, "CHECKS", tuple(other for other in guard.CHECKS if other is not check))


def bound(module: Any, name: str, value: Any) -> Callable[[], Any]:
    return lambda: mock.patch.object(module, name, value)


AREA = Area(
    name="web",
    cases=cases,
    defences={
        "guard": bound(GuardedInstance, "optimize_for_webserver", lambda *_: None),
        "host": without(guard.refused_host),
        "origin": without(guard.refused_origin),
        "method": without(guard.refused_method),
        "content_type": without(guard.refused_content),
        "repeated_headers": without(guard.refused_headers),
        "graphql_bounds": bound(guard, "request_problem", lambda _: None),
        "graphql_depth": bound(graphql_limits, "MAX_DEPTH", 10_000),
        "graphql_aliases": bound(graphql_limits, "MAX_ALIASES", 10_000),
        "graphql_fields": bound(graphql_limits, "MAX_FIELDS", 10_000),
        "graphql_root_fields": bound(graphql_limits, "MAX_ROOT_FIELDS", 10_000),
        "body_size": bound(guard, "MAX_BODY_BYTES", 10**9),
        "websocket_messages": bound(guard, "message_problem", lambda _: None),
        "listening_host": bound(listening, "is_loopback", lambda _: True),
        "reports_host": bound(ReportServer, "is_addressed_by", lambda *_: True),
    },
)

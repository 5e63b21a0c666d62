"""ft serve: released models over HTTP, in OpenAI's protocol, and the keys of its clients."""

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ft_platform.commands import count

if TYPE_CHECKING:
    from ft_platform.serving.api.guard import Guard
    from ft_platform.serving.api_keys import ApiKeys
    from ft_platform.use_case.settings.environment import Environment

HELP = "Serve released models over HTTP, as OpenAI's API; add, list and revoke the keys of its clients."
EXAMPLES = [
    "ft serve                                                        # every released use case, for this machine only",
    "ft serve complaint_routing --port 8080",
    "ft serve --stop                                                 # the server that `ft deploy` started",
    "ft serve keys add complaint_routing --name portal --days 90     # shows the key, once",
    "ft serve keys list",
    "ft serve keys revoke 4f1c09aa",
    "ft serve --host 10.0.0.5 --certificate server.pem --key server.key",
    "ft serve complaint_routing --install systemd",
]
PORT = 8000
ACTIONS = ("add", "list", "revoke")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "use_cases",
        nargs="*",
        metavar="USE_CASE",
        help="use cases to serve (default: all); or keys add USE_CASE (or `all`), keys list, keys revoke ID",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=PORT, help="port (default: %(default)s)")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="certificate with its chain (PEM), for TLS")
    parser.add_argument("--key", type=Path, metavar="FILE", help="private key of the certificate (PEM)")
    parser.add_argument("--release", metavar="ID", help="serve this release of the use case and no other")
    parser.add_argument("--restart", action="store_true", help="start it again whenever it dies")
    parser.add_argument("--stop", action="store_true", help="stop what `--restart`, or `ft deploy`, runs on this port")
    parser.add_argument(
        "--install",
        choices=("systemd", "compose"),
        help="print the unit of systemd, or the service of Docker Compose, that runs this command, and end",
    )
    keys = parser.add_argument_group("for `ft serve keys add`")
    keys.add_argument("--name", help="who or what uses the key")
    keys.add_argument("--days", type=count, help="days until it expires (default: never)")
    keys.add_argument("--rate", type=count, help="requests per minute (default: 600)")
    keys.add_argument(
        "--unguarded", action="store_true", help="it may ask for answers without guardrails, as ft parity does"
    )


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    if arguments.use_cases[:1] == ["keys"]:
        return _keys(environment, arguments, *arguments.use_cases[1:])
    if arguments.release and len(arguments.use_cases) != 1:
        from ft_platform.errors import ConfigError

        raise ConfigError(["--release needs the one use case that it is a release of"])
    if arguments.stop:
        from ft_platform.serving.supervision import stop

        stopped = stop(noted(environment, arguments.port))
        print("it stops" if stopped else f"nothing that `--restart` keeps running has port {arguments.port}")
        return 0 if stopped else 1
    if arguments.install:
        from ft_platform.serving.supervision import compose_service, systemd_unit

        unit = systemd_unit if arguments.install == "systemd" else compose_service
        print(unit(environment.to_variables(), _words(arguments)))
        return 0
    for module in ("uvicorn", "prometheus_client"):
        if importlib.util.find_spec(module) is None:
            from ft_platform.errors import MissingExtra

            raise MissingExtra(module, "serve")
    from ft_platform.serving.api_keys import ApiKeys, keys_path
    from ft_platform.serving.starting import without_collector
    from ft_platform.use_case.settings.hosts import Hosts

    keys = ApiKeys(keys_path(environment))
    require_keys(keys, arguments)
    if arguments.restart:
        from ft_platform.serving.supervision import kept_running

        return kept_running(_words(arguments), noted(environment, arguments.port))
    with without_collector():
        from functools import partial

        from ft_platform.monitoring.traffic.shipping import spool_path
        from ft_platform.monitoring.traffic.spool import Spool
        from ft_platform.reporting.playground import playground
        from ft_platform.serving.api.app import build_app
        from ft_platform.serving.installation import engine_and_catalog
        from ft_platform.serving.live import stop_rollout

        engine, catalog = engine_and_catalog(environment, arguments.use_cases, arguments.release)
    notes = Spool(spool_path(environment))
    notes.start()
    try:
        hosts, stop = Hosts.of(environment.web_hosts), partial(stop_rollout, environment.home)
        serve(build_app(engine, catalog, keys, notes, hosts=hosts, stop=stop, home=playground()), arguments)
    finally:
        notes.stop()
    return 0


def noted(environment: "Environment", port: int) -> Path:
    return environment.home / "serving" / f"server-{port}.pid"


def _words(arguments: argparse.Namespace) -> list[str]:
    """The command without `--restart` and `--install`."""
    files = [(f"--{name}", getattr(arguments, name)) for name in ("certificate", "key")]
    options = ["--host", arguments.host, "--port", str(arguments.port)]
    options += [word for option, path in files if path for word in (option, str(path.absolute()))]
    options += ["--release", arguments.release] if arguments.release else []
    return ["serve", *arguments.use_cases, *options]


def require_keys(keys: "ApiKeys", arguments: argparse.Namespace) -> None:
    """Raises:
    ConfigError: other machines could ask without a key, or a certificate and its key are not given together.
    """
    from ft_platform.errors import ConfigError
    from ft_platform.use_case.settings.hosts import is_loopback

    if (arguments.certificate is None) != (arguments.key is None):
        raise ConfigError(["--certificate and --key belong together"], "Give both, or neither")
    if is_loopback(arguments.host):
        return
    if not keys.has_usable:
        raise ConfigError(
            [f"--host {arguments.host} would let everyone who reaches this machine ask every model: there is no key"],
            "Make one first: ft serve keys add USE_CASE --name NAME",
        )
    if arguments.certificate is None:
        print(
            "ft serve: keys and texts cross the network unencrypted. Give --certificate and --key, or put a proxy with"
            " TLS in front.",
            file=sys.stderr,
            flush=True,
        )


def serve(app: "Guard", arguments: argparse.Namespace) -> None:
    """Answers until the process is asked to stop.

    Raises:
        ConfigError: the address or the certificate cannot be used.
    """
    import logging

    from ft_platform.serving.api.server import ApiServer

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("ft_platform.serving").setLevel(logging.INFO)
    server = ApiServer(app, arguments.host, arguments.port, arguments.certificate, arguments.key)
    print(f"{server.url}/v1, to try at {server.url}/, described at {server.url}/docs (stop with Ctrl-C)", flush=True)
    server.serve()


def _keys(environment: "Environment", arguments: argparse.Namespace, *words: str) -> int:
    from ft_platform.errors import ConfigError

    usage = "ft serve keys add USE_CASE --name NAME, ft serve keys list, or ft serve keys revoke ID"
    match words:
        case ("add", use_case):
            return _add(environment, use_case, arguments)
        case ("list",):
            return _list(environment)
        case ("revoke", key_id):
            return _revoke(environment, key_id)
    raise ConfigError([f"ft serve keys takes one of {', '.join(ACTIONS)}"], usage)


def _add(environment: "Environment", use_case: str, arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note
    from ft_platform.serving.api_keys import DEFAULT_RATE, EVERY_USE_CASE, add_key, keys_path
    from ft_platform.use_case.file import find_use_cases

    if not arguments.name or len(arguments.name) > 100 or not arguments.name.isprintable():
        raise ConfigError(["--name must say who or what uses the key, in at most 100 characters"])
    known = [folder.name for folder in find_use_cases(environment.defs)]
    if use_case not in (EVERY_USE_CASE, *known):
        raise ConfigError([f"there is no use case {use_case!r}; there are {', '.join(known)}, and `all` for every one"])
    note(open_lake(environment), _of(use_case), "key", "made a key of the server", name=arguments.name)
    made, key = add_key(
        keys_path(environment),
        use_case,
        arguments.name,
        arguments.days,
        arguments.rate or DEFAULT_RATE,
        arguments.unguarded,
    )
    print(key)
    print(
        f"Key {made.id} for {made.use_case}, {(made.expires and f'until {made.expires}') or 'without an end'},"
        f" {made.rate} requests per minute. It is shown only now; only its hash is kept.",
        file=sys.stderr,
    )
    return 0


def _list(environment: "Environment") -> int:
    from datetime import UTC, datetime

    from ft_platform.serving.api_keys import keys_path, read_keys

    now = datetime.now(UTC)
    for key in read_keys(keys_path(environment)):
        ends = key.revoked or key.expires or "no end"
        also = " (unguarded)" if key.unguarded else ""
        print(f"{key.id}  {key.state(now):<8} {key.use_case:<24} {key.rate:>6}/min  {ends:<26} {key.name}{also}")
    return 0


def _revoke(environment: "Environment", key_id: str) -> int:
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note
    from ft_platform.serving.api_keys import keys_path, read_keys, revoke_key

    for key in read_keys(keys_path(environment)):
        if key.id == key_id:
            told = {"key": key.id, "name": key.name}
            note(open_lake(environment), _of(key.use_case), "key", "revoked a key of the server", **told)
    ended = revoke_key(keys_path(environment), key_id)
    print(f"Key {ended.id} ({ended.name}) is revoked; running servers refuse it within a second.")
    return 0


def _of(use_case: str) -> str:
    """The use case of an entry: none for a key of every one."""
    from ft_platform.serving.api_keys import EVERY_USE_CASE

    return "" if use_case == EVERY_USE_CASE else use_case

"""The images of `infra/docker`, built and started: as a user that may nothing, on a root that nobody can write, with
health checks that tell, an SBOM that is complete, and a size that is within its budget."""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ft_platform import __version__
from ft_platform.models.kernels.own_kernels import kernels
from ft_platform.process import native
from ft_platform_tests.infra.containers import DOCKER, LOCKED_DOWN, Podman, image, missing, podman

pytestmark = [pytest.mark.slow, pytest.mark.components(name="containers")]
NAMES = ("orchestrator", "worker", "server")
STATE = ("--volume={0}:/var/lib/ft", "--volume={0}-logs:/var/lib/dagster")
ALONE = ("--env=DAGSTER_HOME=/var/lib/ft/dagster", "--env=FT_WEB_HOSTS=localhost:3000")
OWN_SETTINGS = "--env=FT_ENVIRONMENT=/var/lib/ft/ft_environment.yaml"
"""Without PostgreSQL: an instance of its own."""
INSTANCE = "cp /opt/dagster/ft_environment.yaml $FT_ENVIRONMENT && ft init"
WITHOUT_NAME = (
    "--user=1000650000:0",
    "--passwd=false",
    "--tmpfs=/var/lib/ft:mode=1777",
    "--tmpfs=/var/lib/dagster:mode=1777",
)
WEB_SERVER = "dagster-webserver --host=127.0.0.1 --port=3000 --workspace=/opt/dagster/workspace.yaml"
ASKS_VERSION = """
import urllib.request as u
asks = u.Request("http://localhost:3000/graphql", b'{"query": "{ version }"}', {"Content-Type": "application/json"})
print(u.urlopen(asks).read().decode())
"""
LOOPS = """
import json
from ft_platform.models.kernels.own_kernels import kernels
from ft_platform.privacy.ner.built_in.compiled import SOURCE
from ft_platform.process import native
print(json.dumps({
    "compiler": native._compiler(), "kernels": kernels(), "names": native.library(SOURCE) is not None
}))
"""
START_SECONDS = 600.0
SAYS = """
import json, os, pathlib
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
def may_write(place):
    try:
        pathlib.Path(place, "written").touch()
    except OSError:
        return False
    return True
print(json.dumps({
    "user": os.getuid(), "groups": os.getgroups(), "capabilities": int(status["CapBnd"], 16),
    "no_new_privileges": status["NoNewPrivs"].strip(), "filters": status["Seccomp"].strip(),
    "writes": [one for one in ("/", "/opt/ft", "/opt/dagster", "/home/ft", "/var/lib/ft", "/tmp") if may_write(one)],
}))
"""


@pytest.fixture(scope="module")
def here() -> Podman:
    if what := missing():
        pytest.skip(f"needs {what}")
    return podman()


@pytest.fixture(params=NAMES)
def built(request: pytest.FixtureRequest, here: Podman) -> str:
    return image(request.param)


@pytest.fixture
def state(here: Podman) -> Iterator[tuple[str, ...]]:
    """Options of new volumes for what a container keeps."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield tuple(option.format(name) for option in STATE)
    here.ask("volume", "rm", "--force", name, f"{name}-logs")


@contextmanager
def started(here: Podman, image: str, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """A container that runs, by id."""
    made = here.ask("run", "--detach", *LOCKED_DOWN, *options, image, *command).strip()
    try:
        yield made
    finally:
        here.ask("rm", "--force", "--time=5", made)


def healthy(here: Podman, container: str) -> bool:
    return here.tried("healthcheck", "run", container).returncode == 0


def logs_of(here: Podman, container: str) -> str:
    said = here.tried("logs", container)  # `--tail` has waited for more
    return (said.stdout + said.stderr)[-5000:]


def ends_at_a_word(here: Podman, container: str) -> None:
    """After SIGTERM, before SIGKILL would come (137). The first process of a container gets no signal that it does not
    ask for."""
    here.ask("stop", "--time=60", container)
    assert here.ask("inspect", container, "--format", "{{.State.ExitCode}}").strip() == "0"


def until_healthy(here: Podman, container: str) -> None:
    until(here, container, lambda: healthy(here, container))


def until(here: Podman, container: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while not holds():
        running = here.ask("inspect", container, "--format", "{{.State.Running}}").strip() == "true"
        assert running and time.monotonic() < end, logs_of(here, container)
        time.sleep(1)


def test_ft_answers_as_a_user_that_may_nothing_on_a_root_that_nobody_writes(
    here: Podman, built: str, state: tuple[str, ...]
) -> None:
    assert here.run(built, "ft", "--version", options=state) == f"ft-platform {__version__}\n"
    assert json.loads(here.run(built, "python", "-c", SAYS, options=state)) == {
        "user": 10001,
        "groups": [10001],
        "capabilities": 0,
        "no_new_privileges": "1",
        "filters": "2",
        "writes": ["/var/lib/ft", "/tmp"],
    }
    config = json.loads(here.ask("image", "inspect", built))[0]["Config"]
    assert config["User"] == "10001", "it is so without an option"


def test_commands_open_an_instance_whose_settings_nobody_can_write(
    here: Podman, built: str, state: tuple[str, ...]
) -> None:
    listed = here.run(built, "ft", "list", "--json", options=(*state, *ALONE))
    assert "complaint_routing" in {one["use_case"] for one in json.loads(listed)}
    of_image = here.tried("run", "--rm", *LOCKED_DOWN, *state, built, "ft", "list")
    assert "DAGSTER_POSTGRES_USER" in of_image.stderr and "Read-only" not in of_image.stderr


def test_the_sbom_names_what_is_installed_and_nothing_else(here: Podman, built: str) -> None:
    bom = json.loads(here.run(built, "cat", "/opt/ft/sbom.cdx.json"))
    assert bom["bomFormat"] == "CycloneDX" and bom["specVersion"] >= "1.6"
    installed = json.loads(here.run(built, "python", "-m", "pip", "list", "--format=json"))
    own = ("ft-platform", __version__)  # the worker's was written before it was there
    expected = {(plain(one["name"]), one["version"]) for one in installed} | {own}
    assert {(plain(one["name"]), one["version"]) for one in bom["components"]} | {own} == expected
    assert all(one["purl"].startswith("pkg:pypi/") for one in bom["components"] if one["name"] != "ft-platform")


def plain(name: str) -> str:
    """As package indexes compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def budgets() -> dict[str, float]:
    """Image -> GB at most, as the page says."""
    rows = re.findall(r"^\| `ft-platform-(\w+)` \| [^|]* \| ([\d.]+) GB \|", (DOCKER / "README.md").read_text(), re.M)
    return {name: float(most) for name, most in rows}


def test_every_image_has_a_budget() -> None:
    assert set(budgets()) == set(NAMES)


def test_the_image_is_within_its_budget(here: Podman, built: str) -> None:
    size = int(here.ask("image", "inspect", built, "--format", "{{.Size}}")) / 1e9
    most = budgets()[built.rpartition("/")[2].removeprefix("ft-platform-").partition(":")[0]]
    assert 0.7 * most < size <= most, f"{built} has {size:.2f} GB; a budget that is far above it limits nothing"


def test_the_index_that_a_build_used_stays_out_of_the_image(here: Podman, built: str) -> None:
    assert here.run(built, "sh", "-c", "cat /etc/pip.conf /etc/uv/uv.toml 2>/dev/null || true") == ""
    assert "index" not in here.ask("history", "--no-trunc", "--format", "{{.CreatedBy}}", built)


def test_a_health_check_is_red_where_nothing_answers(here: Podman, built: str, state: tuple[str, ...]) -> None:
    with started(here, built, "sleep", "600", options=state) as container:
        assert not healthy(here, container)


def test_the_code_location_serves_as_its_health_check_says(here: Podman, state: tuple[str, ...]) -> None:
    with started(here, image("worker"), options=(*state, *ALONE)) as container:
        until_healthy(here, container)
        ends_at_a_word(here, container)


def test_the_web_server_serves_as_its_health_check_says(here: Podman, state: tuple[str, ...]) -> None:
    made, options = image("orchestrator"), (*state, *ALONE, OWN_SETTINGS)
    here.run(made, "sh", "-c", f"{INSTANCE} && ft users add ana@example.org", options=options)
    with started(here, made, options=(*options, "--add-host=code:127.0.0.1")) as container:
        until_healthy(here, container)
        asks = "import urllib.request as u; print(u.urlopen('http://localhost:3000/auth/sign-in').read().decode())"
        assert "<form" in here.ask("exec", container, "python", "-c", asks)
        ends_at_a_word(here, container)


@pytest.mark.parametrize("name", ["worker", "server"])
def test_loops_in_cpp_are_there_without_a_compiler(here: Podman, name: str) -> None:
    assert json.loads(here.run(image(name), "python", "-c", LOOPS)) == {
        "compiler": None,
        "kernels": kernels(),  # as a compiler makes them here
        "names": any(map(native._has, native.LEVELS)),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_user_without_a_name_has_a_number(here: Podman, name: str) -> None:
    """As OpenShift starts it."""
    says = "from ft_platform.people.person import at_this_machine as who; print(who().name)"
    assert here.run(image(name), "python", "-c", says, options=WITHOUT_NAME) == "uid 1000650000\n"


def test_the_web_server_answers_as_a_user_without_a_name(here: Podman) -> None:
    """Each answer was an error: who sits at the machine could not be named."""
    options = (*WITHOUT_NAME, *ALONE, OWN_SETTINGS, "--add-host=code:127.0.0.1")
    command = ("sh", "-c", f"{INSTANCE} && exec {WEB_SERVER}")
    with started(here, image("orchestrator"), *command, options=options) as container:
        until(here, container, lambda: "Serving" in logs_of(here, container))
        assert here.ask("exec", container, "python", "-c", ASKS_VERSION).startswith('{"data"')


def test_a_released_model_is_served_and_answers(here: Podman, tmp_path: Path) -> None:
    from ft_platform_tests.compute.podman_pods import Claims
    from ft_platform_tests.serving.installations import Installation

    installation = Installation(tmp_path / "installation", "label_head")
    variables: dict[str, Any] = {**installation.environment.to_variables(), "FT_CACHE": "/tmp/cache"}
    (tmp_path / "claims").mkdir()
    claims = Claims(tmp_path / "claims")
    try:
        folder = tmp_path / "installation"
        options = (f"--volume={claims.of(folder)}:{folder}", *(f"--env={k}={v}" for k, v in variables.items() if v))
        with started(here, image("server"), options=options) as container:
            until_healthy(here, container)
            asks = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/v1/models').read().decode())"
            assert [one["id"] for one in json.loads(here.ask("exec", container, "python", "-c", asks))["data"]] == [
                "complaints"
            ]
            ends_at_a_word(here, container)
    finally:
        claims.remove()

"""The container files, as far as they can be checked without a container engine: syntax, pins, users, secrets, and that
what they name exists in this repository."""

import re
import shlex
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml

from ft_platform import __version__
from ft_platform.errors import ConfigError
from ft_platform.use_case.environment import load_environment

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "infra" / "docker"
DOCKERFILES = sorted(DOCKER.glob("Dockerfile.*"))
# https://docs.docker.com/reference/dockerfile/#overview
WORDS = "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN SHELL STOPSIGNAL USER VOLUME WORKDIR"


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, rest) of a Dockerfile; continuation lines joined, comments dropped."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.strip().partition(" ") for line in joined.splitlines())
    ]


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.name)
def dockerfile(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    return instructions(request.param.read_text())


@pytest.fixture(params=[path for path in DOCKERFILES if path.suffix != ".server"], ids=lambda path: path.name)
def from_python(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    """Those that stand on no other image of ours."""
    return instructions(request.param.read_text())


@pytest.fixture
def compose() -> dict:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_the_images_are_there():
    assert [path.suffix for path in DOCKERFILES] == [".orchestrator", ".server", ".worker"]


def test_the_server_stands_on_the_worker_of_the_same_version():
    text = (DOCKER / "Dockerfile.server").read_text()
    assert f"\nARG WORKER=ft-platform-worker:{__version__}\nFROM $WORKER\n" in text


def test_the_images_have_the_version_of_the_package(compose):
    images = {service["image"] for service in compose["services"].values() if "ft-platform" in service.get("image", "")}
    assert images == {f"ft-platform-{name}:{__version__}" for name in ("orchestrator", "worker")}


def test_every_line_is_an_instruction_and_the_first_one_is_from(dockerfile):
    assert {word for word, _ in dockerfile} <= {*WORDS.split(" ")}
    assert next(word for word, _ in dockerfile if word != "ARG") == "FROM"


def test_the_base_image_is_pinned_to_a_full_version(from_python):
    images = [rest.partition(" AS ")[0] for word, rest in from_python if word == "FROM"]
    assert len(set(images)) == 1 and re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", images[0])


def test_the_process_is_not_root(dockerfile):
    words = [word for word, _ in dockerfile]
    last = len(words) - 1 - words[::-1].index("USER")
    assert dockerfile[last][1] == "10001"
    assert last < words.index("CMD") and "RUN" not in words[last:]


def test_what_no_process_may_write_later_is_compiled_in_the_image(from_python):
    variables = " ".join(rest for word, rest in from_python if word == "ENV")
    assert "PYTHONDONTWRITEBYTECODE=1" in variables and "UV_COMPILE_BYTECODE=1" in variables
    linked = "python -m compileall -q ft_platform"  # uv compiles what it installs, not the folder that is linked
    assert any(word == "RUN" and linked in rest for word, rest in from_python)


def test_every_image_notes_what_is_in_it_after_the_last_package(dockerfile):
    installs = [rest for word, rest in dockerfile if word == "RUN" and "uv pip install" in rest]
    assert len(installs) == 1 and installs[0].rindex("sbom.cdx.json") > installs[0].rindex("uv pip install")


def test_json_commands_are_json_and_there_is_a_health_check(dockerfile):
    for word, rest in dockerfile:
        if word in ("CMD", "ENTRYPOINT"):
            assert all(isinstance(part, str) for part in yaml.safe_load(rest))
    assert [rest for word, rest in dockerfile if word == "HEALTHCHECK"]


def test_every_file_that_is_copied_exists(dockerfile):
    stages = {rest.partition(" AS ")[2] for word, rest in dockerfile if word == "FROM"} - {""}
    for word, rest in dockerfile:
        if word == "COPY":
            *sources, _target = [part for part in shlex.split(rest) if not part.startswith("--")]
            assert sources
            if stage := re.search(r"--from=(\S+)", rest):
                assert stage[1] in stages
                continue
            for source in sources:
                assert (ROOT / source).exists(), source


def test_what_the_package_includes_is_there_when_it_is_installed(from_python):
    """Without it no image can be built."""
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    installs = next(
        at for at, (word, rest) in enumerate(from_python) if word == "RUN" and "pip install --no-deps" in rest
    )
    copied = {rest.split()[0] for word, rest in from_python[:installs] if word == "COPY"}
    assert {name.partition("/")[0] for name in (*hatch["force-include"], *hatch["packages"])} <= copied


def extras_of(path: Path) -> set[str]:
    text = path.read_text()
    given = re.search(r"^ARG EXTRAS=([a-z,]+)$", text, re.MULTILINE)
    return {*(given.group(1).split(",") if given else []), *re.findall(r"--extra ([a-z]+)", text)}


def test_every_extra_that_is_installed_is_in_pyproject():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for path in DOCKERFILES:
        assert extras_of(path) and extras_of(path) <= set(known), path.name
    assert extras_of(DOCKER / "Dockerfile.server") == {"serve"}


def test_the_orchestrator_has_no_torch():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needed = [one for extra in extras_of(DOCKER / "Dockerfile.orchestrator") for one in known[extra]]
    assert not any(requirement.startswith(("torch", "ft-platform[")) for requirement in needed)


def test_no_secret_is_in_a_file_that_is_committed():
    for path in DOCKER.iterdir():
        if path.is_file():
            assert not re.search(r"(?i)password\s*[:=]\s*['\"]?[A-Za-z0-9]{6,}", path.read_text()), path.name
    assert {".env", "secrets/"} <= set((DOCKER / ".gitignore").read_text().split())


def test_compose_pins_every_image_and_nothing_runs_privileged(compose):
    for name, service in compose["services"].items():
        assert re.search(r":\d+\.\d+", service["image"]), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name
        assert name == "postgres" or (service["read_only"] and service["cap_drop"] == ["ALL"]), name


def test_compose_publishes_the_ui_on_this_machine_only_and_the_database_not_at_all(compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"webserver": ["127.0.0.1:3000:3000"]}
    assert compose["networks"]["inside"]["internal"] is True
    assert compose["services"]["postgres"]["networks"] == ["inside"]


def test_only_the_code_location_gets_the_pseudonym_key(compose):
    assert [name for name, service in compose["services"].items() if "pseudonym_key" in service["secrets"]] == ["code"]


def test_the_web_server_has_the_lake_and_the_users(compose):
    assert "home:/var/lib/ft" in compose["services"]["webserver"]["volumes"], "lake, users, sessions, the audit log"
    assert "FT_REPORTS_URL" not in str(compose), "links lead to the portal below Dagster's pages"


def test_services_read_settings_that_a_person_edits(compose):
    for name in ("code", "webserver", "daemon"):
        service = compose["services"][name]
        mounted = dict(volume.split(":")[:2] for volume in service["volumes"])
        assert mounted["./ft_environment.yaml"] == service["environment"]["FT_ENVIRONMENT"], name


def test_what_opens_the_instance_in_a_health_check_gets_the_password(compose):
    """It is not among the variables of a container, only among those of its first process."""
    assert compose["services"]["daemon"]["healthcheck"]["test"][1:3] == ["sh", "/opt/dagster/entrypoint.sh"]


@pytest.mark.parametrize("gateway", ["172.17.0.1", "192.168.16.1", "10.88.0.1", "10.89.1.1"])
def test_browsers_arrive_by_the_networks_of_docker_and_podman(gateway: str):
    settings = yaml.safe_load((DOCKER / "ft_environment.yaml").read_text())["sign_in"]["proxy"]
    assert any(ip_address(gateway) in ip_network(one) for one in settings["addresses"])


def test_people_sign_in_to_the_web_server_in_containers(environment, monkeypatch):
    """It listens on all addresses of its container, so without users it refuses everybody."""
    pytest.importorskip("argon2")
    from ft_platform.people.identity.users import Users
    from ft_platform.web.listening import Tls, listening_on

    monkeypatch.setenv("FT_ENVIRONMENT", str(DOCKER / "ft_environment.yaml"))
    monkeypatch.setenv("FT_HOME", str(environment.home))
    monkeypatch.setenv("FT_WEB_HOSTS", "localhost:3000")
    loaded = load_environment()
    with pytest.raises(ConfigError, match="nobody signs in"):
        listening_on("0.0.0.0", 3000, Tls(), loaded)
    Users(loaded.people_path).add("ana@example.org")
    assert listening_on("0.0.0.0", 3000, Tls(), loaded) == loaded


def test_services_wait_for_what_they_need(compose):
    services = compose["services"]
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert services["code"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert all(
        services[name]["depends_on"]["code"]["condition"] == "service_healthy" for name in ("webserver", "daemon")
    )
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service.get("networks", [])) <= set(compose["networks"])
        assert {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")} <= set(
            compose["volumes"]
        )
        assert set(service.get("secrets", [])) <= set(compose["secrets"])


def test_the_workspace_names_the_service_and_port_of_the_code_location(compose):
    server = yaml.safe_load((DOCKER / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]
    assert server["host"] in compose["services"]
    command = dict(instructions((DOCKER / "Dockerfile.worker").read_text()))["CMD"]
    assert str(server["port"]) in yaml.safe_load(command)
    assert server["location_name"] in yaml.safe_load(command)


def test_every_variable_of_the_instance_is_set_by_compose_or_the_entrypoint(compose):
    wanted = set(re.findall(r"\{env: (\w+)\}", (DOCKER / "dagster.yaml").read_text()))
    given = set(compose["services"]["code"]["environment"]) | set(compose["services"]["webserver"]["environment"])
    exported = set(re.findall(r"export (\w+)", (DOCKER / "entrypoint.sh").read_text()))
    assert wanted
    assert wanted <= given | exported


def test_the_database_driver_is_the_one_that_dagster_postgres_brings():
    database = yaml.safe_load((DOCKER / "dagster.yaml").read_text())["storage"]["postgres"]["postgres_db"]
    assert database["scheme"] == "postgresql+psycopg2"


def test_the_instance_settings_agree_with_those_of_one_machine():
    one, many = (yaml.safe_load(path.read_text()) for path in (ROOT / "dagster.yaml", DOCKER / "dagster.yaml"))
    assert all(many[key] == value for key, value in one.items())

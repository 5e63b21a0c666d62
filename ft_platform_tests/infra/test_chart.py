"""The Helm chart: rendered by Helm, judged by Kubernetes' published schemas, and compared with the images and the
product. No cluster was asked."""

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import kubernetes_validate
import pytest
import yaml

from ft_platform import __version__
from ft_platform.people.bucket_rights import PROGRAMS
from ft_platform.use_case.environment import load_environment
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.infra.test_docker import DOCKER, instructions
from ft_platform_tests.serving.clients import FOLDER
from ft_platform_tests.serving.targets.cluster import VERSION

CHART = REPOSITORY / "infra" / "kubernetes" / "chart"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
HELM = shutil.which("helm") or str(FOLDER / "bin" / "helm")
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
WHOLE = {"environment", "variables"}
"""Maps of the values that the user fills."""
Manifest = dict[str, Any]


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    if not Path(HELM).exists():
        pytest.skip("needs Helm: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER")
    return subprocess.run([HELM, *words], capture_output=True, text=True, timeout=120)


def rendered(*words: str) -> list[Manifest]:
    done = helm("template", "ft", str(CHART), "--namespace", "ft", *words)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.stem)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return rendered("--values", str(request.param))


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Component -> specification of its pod."""
    return {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]["template"]["spec"]
        for one in manifests
        if one["kind"] in ("Deployment", "StatefulSet")
    }


def containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    for pod in pods(manifests).values():
        yield from [*pod.get("initContainers", []), *pod["containers"]]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def settings(manifests: list[Manifest]) -> dict[str, str]:
    return of_kind(manifests, "ConfigMap")["ft-settings"]["data"]


@pytest.mark.components(name="helm")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_helm_finds_nothing_wrong(example: Path) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(example))
    assert done.returncode == 0 and "0 chart(s) failed" in done.stdout, done.stdout + done.stderr


@pytest.mark.components(name="helm")
def test_every_manifest_is_what_kubernetes_publishes(manifests: list[Manifest]) -> None:
    assert len(manifests) > 15
    for one in manifests:
        kubernetes_validate.validate(one, VERSION, strict=True)
    wrong = copy.deepcopy(next(one for one in manifests if one["kind"] == "Deployment"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readOnlyRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.components(name="helm")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "database.host is missing: name your PostgreSQL, or set postgres.enabled=true"),
        (["--set", "database.host=db"], "network.databaseCidr is missing"),
        (["--set", "postgres.enabled=true,web.ingress.enabled=true"], "web.host is missing"),
        (["--set", "postgres.enabled=true,web.ingress.enabled=true,web.host=a.example.org"], "tlsSecret is missing"),
        (["--set", "postgres.enabled=maybe"], "at '/postgres/enabled': got string, want boolean"),
        (["--set", "postgres.size=20Gi"], "additional properties 'size' not allowed"),
        (["--set", "images.worker=ft-platform-worker:latest"], "at '/images/worker'"),
        (["--set", "storage.accessMode=Everybody"], "value must be one of 'ReadWriteMany', 'ReadWriteOnce'"),
        (["--set", "code.resources.limits=null"], "at '/code/resources'"),
    ],
)
def test_what_is_missing_or_wrong_is_refused_by_name(words: list[str], message: str) -> None:
    done = helm("template", "ft", str(CHART), *words)
    assert done.returncode != 0 and message in done.stderr, done.stderr


def leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in values.items():
        inside = f"{path}.{name}" if path else name
        if isinstance(value, dict) and value:
            yield from leaves(value, inside)
        else:
            yield inside


def used() -> set[str]:
    texts = [path.read_text() for path in (CHART / "templates").iterdir()]
    return {found for text in texts for found in re.findall(r"\.Values\.([A-Za-z.]+)", text)}


def unused(values: dict[str, Any]) -> list[str]:
    """A value is used where a template names it, or names all of its resources."""
    whole = {name for name in used() if name.endswith(".resources")}
    return [one for one in leaves(values) if one not in used() and not any(one.startswith(f"{w}.") for w in whole)]


def test_every_value_is_used_and_every_used_value_is_there() -> None:
    assert unused(VALUES) == []
    assert unused({**VALUES, "web": {**VALUES["web"], "colour": "red"}}) == ["web.colour"]
    there = set(leaves(VALUES)) | {".".join(one.split(".")[:2]) for one in leaves(VALUES) if ".resources." in one}
    assert used() <= there


def test_the_schema_knows_every_value_and_takes_the_defaults() -> None:
    jsonschema.validate(VALUES, SCHEMA)
    for path in leaves(VALUES):
        wrong = copy.deepcopy(VALUES)
        *folders, name = path.split(".")
        place = wrong
        for folder in folders:
            place = place[folder]
        place[f"{name}X"] = place.pop(name)
        with pytest.raises(jsonschema.ValidationError, match=re.escape(f"{name}X")):
            jsonschema.validate(wrong, SCHEMA)


def test_chart_and_images_have_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} == {__version__}
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    images = {
        name: compose[service]["image"] for name, service in {"orchestrator": "webserver", "worker": "code"}.items()
    }
    assert {name: VALUES["images"][name] for name in images} == images
    assert VALUES["images"]["postgres"] == compose["postgres"]["image"]


@pytest.mark.components(name="helm")
def test_pods_meet_the_standard_restricted(manifests: list[Manifest]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, restricted, and a root nobody writes."""
    for name, pod in pods(manifests).items():
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        allowed = {
            "name",
            "configMap",
            "emptyDir",
            "persistentVolumeClaim",
            "secret",
            "projected",
            "downwardAPI",
            "csi",
        }
        assert all(set(volume) <= allowed for volume in pod["volumes"])
        assert pod["automountServiceAccountToken"] is False
    for one in containers(manifests):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= set(one["resources"]["requests"]) and "memory" in one["resources"]["limits"]
        assert not any("hostPort" in port for port in one.get("ports", []))


@pytest.mark.components(name="helm")
def test_what_a_pod_names_is_there(manifests: list[Manifest]) -> None:
    accounts, claims = of_kind(manifests, "ServiceAccount"), of_kind(manifests, "PersistentVolumeClaim")
    for pod in pods(manifests).values():
        assert pod["serviceAccountName"] in accounts
        for volume in pod["volumes"]:
            assert volume.get("persistentVolumeClaim", {}).get("claimName", "ft-home") in claims
            assert volume.get("configMap", {}).get("name", "ft-settings") == "ft-settings"
        named = {volume["name"] for volume in pod["volumes"]} | {"data"}
        for one in [*pod.get("initContainers", []), *pod["containers"]]:
            assert {mount["name"] for mount in one["volumeMounts"]} <= named
            names = [variable["name"] for variable in one.get("env", [])]
            assert len(names) == len(set(names))
        for one in pod["containers"]:
            assert {"startupProbe", "livenessProbe"} <= set(one)
    for budget in of_kind(manifests, "PodDisruptionBudget").values():
        assert budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] in pods(manifests)


def test_there_is_an_account_for_each_kind_of_program_in_the_table_of_rights() -> None:
    words = {re.sub("([A-Z])", r"_\1", name).lower() for name in VALUES["serviceAccounts"]}
    assert words == set(PROGRAMS)


@pytest.mark.components(name="helm")
def test_each_account_carries_its_own_annotations(manifests: list[Manifest]) -> None:
    accounts = of_kind(manifests, "ServiceAccount")
    assert {f"ft-{name.replace('_', '-')}" for name in PROGRAMS} <= set(accounts)
    known = [one["metadata"]["annotations"] for name, one in accounts.items() if name != "ft-workers"]
    assert not any(known), "what one account is given, no other gets"
    users = {name: pod["serviceAccountName"] for name, pod in pods(manifests).items()}
    assert {name for name, account in users.items() if account == "ft-platform"} == {"code", "web"}


@pytest.mark.components(name="helm")
def test_secrets_are_named_and_never_written(manifests: list[Manifest]) -> None:
    assert not of_kind(manifests, "Secret")
    for one in containers(manifests):
        for variable in one.get("env", []):
            if re.search("PASSWORD$|KEY$|TOKEN$|SECRET", variable["name"]):
                assert "value" not in variable and "secretKeyRef" in variable["valueFrom"], variable["name"]
    with_key = {n for n, p in pods(manifests).items() if "ft-pseudonym-key" in json.dumps(p["volumes"])}
    assert with_key == {"code"}


def entry(name: str) -> click.Command:
    """What a program of the image is, as its package installs it."""
    from importlib.metadata import entry_points

    (found,) = [one for one in entry_points(group="console_scripts") if one.name == name]
    program = found.load()
    if isinstance(program, click.Command):
        return program
    # A function that calls the command of its module: the command has the name `cli`, or is made by `create_*_cli`.
    module = __import__(program.__module__, fromlist=["x"])
    command = getattr(module, "cli", None) or next(
        v() for k, v in vars(module).items() if re.fullmatch("create_.*_cli", k)
    )
    assert isinstance(command, click.Command)
    return command


def accepted(words: list[str]) -> None:
    """Parses a command line as the program would, and starts nothing.

    Raises:
        click.UsageError: the program would refuse it.
    """
    command, rest = entry(words[0]), words[1:]
    context = None
    while isinstance(command, click.Group):
        context = command.make_context(command.name, list(rest), parent=context)
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None, name
    command.make_context(command.name, list(rest), parent=context)


def command_lines(manifests: list[Manifest]) -> Iterator[list[str]]:
    for one in containers(manifests):
        assert "command" not in one, "the entry point of the image stays"
        yield one.get("args", [])
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            yield one.get(probe, {}).get("exec", {}).get("command", [])


@pytest.mark.components(name="helm")
def test_dagster_accepts_every_command(manifests: list[Manifest], tmp_path: Path) -> None:
    for name, text in settings(manifests).items():
        (tmp_path / name).write_text(text)
    seen = {tuple(words) for words in command_lines(manifests) if words and words[0].startswith("dagster")}
    assert {words[0] for words in seen} == {"dagster", "dagster-webserver", "dagster-daemon"} and len(seen) == 7
    for words in seen:
        accepted([re.sub("^/etc/ft(?=/)", str(tmp_path), word) for word in words])
    for wrong in (["dagster", "api", "grpc", "--prot", "1"], ["dagster", "instance", "migrat"]):
        with pytest.raises(click.UsageError):
            accepted(wrong)


@pytest.mark.components(name="helm")
def test_commands_ports_and_paths_are_those_of_the_images(manifests: list[Manifest]) -> None:
    about = {
        name: instructions((DOCKER / f"Dockerfile.{image}").read_text())
        for name, image in {"code": "worker", "web": "orchestrator"}.items()
    }
    for name, lines in about.items():
        (container,) = pods(manifests)[name]["containers"]
        words = dict(lines)
        command = [word.replace("/opt/dagster/", "/etc/ft/") for word in json.loads(words["CMD"])]
        assert container["args"] == command
        assert [port["containerPort"] for port in container["ports"]] == [int(words["EXPOSE"])]
        check = json.loads(words["HEALTHCHECK"].split("CMD", 1)[1])
        assert container["livenessProbe"]["exec"]["command"] == check
        assert str(pods(manifests)[name]["securityContext"]["runAsUser"]) == words["USER"]
        home = re.search(r"FT_HOME=(\S+)", " ".join(rest for word, rest in lines if word == "ENV"))
        assert home and home[1] in {mount["mountPath"] for mount in container["volumeMounts"]}
    instance = (DOCKER / "dagster.yaml").read_text()
    wanted = set(re.findall(r"\{env: (\w+)\}", instance))
    written = set(re.findall(r"base_dir: (\S+)", instance))
    for name, pod in pods(manifests).items():
        for one in [*pod.get("initContainers", []), *pod["containers"]] if name != "postgres" else []:
            assert wanted <= {variable["name"] for variable in one["env"]}, name
            mounts = [mount["mountPath"] for mount in one["volumeMounts"]]
            assert all(any(path.startswith(mount) for mount in mounts) for path in written)


@pytest.mark.components(name="helm")
def test_the_workspace_names_the_service_of_the_code_location(manifests: list[Manifest]) -> None:
    server = yaml.safe_load(settings(manifests)["workspace.yaml"])["load_from"][0]["grpc_server"]
    service = of_kind(manifests, "Service")[server["host"]]
    assert service["spec"]["ports"][0]["port"] == server["port"]
    (code,) = pods(manifests)["code"]["containers"]
    assert server["location_name"] in code["args"]


@pytest.mark.components(name="helm")
def test_the_platform_reads_the_environment_that_is_written(
    manifests: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ft_environment.yaml"
    file.write_text(settings(manifests)["ft_environment.yaml"])
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    monkeypatch.setenv("FT_HOME", str(tmp_path))
    for variable in pods(manifests)["web"]["containers"][0]["env"]:
        if variable["name"].startswith("FT_") and variable["name"] != "FT_ENVIRONMENT":
            monkeypatch.setenv(variable["name"], variable["value"])
    loaded = load_environment()
    assert loaded.sign_in.proxy is not None and loaded.sign_in.proxy.tls
    assert "localhost:3000" in loaded.web_hosts
    with_host = of_kind(manifests, "Ingress")
    assert ("ml.example.org" in loaded.web_hosts) == bool(with_host) == (loaded.budgets.per_month == 5000.0)


def labels_of(part: str) -> dict[str, str]:
    return {"name": "ft-platform", "instance": "ft", "component": part}


def selects(selector: dict[str, Any], part: str) -> bool:
    there = {f"app.kubernetes.io/{key}": value for key, value in labels_of(part).items()}
    return selector["matchLabels"].items() <= there.items()


def flows(manifests: list[Manifest]) -> set[tuple[str, str, int]]:
    """(from, to, port) between pods of the chart that both sides' policies let through."""
    parts, policies = list(pods(manifests)), list(of_kind(manifests, "NetworkPolicy").values())

    def open_to(part: str, way: str, peer: str, key: str) -> set[int]:
        mine = [p["spec"] for p in policies if way.capitalize() in p["spec"]["policyTypes"]]
        mine = [one for one in mine if selects(one["podSelector"], part)]
        assert mine, f"{part} has no policy for {way}"
        rules = [rule for one in mine for rule in one.get(way, [])]
        return {
            port["port"]
            for rule in rules
            for other in rule[key]
            if "podSelector" in other and "namespaceSelector" not in other and selects(other["podSelector"], peer)
            for port in rule["ports"]
        }

    return {
        (a, b, port)
        for a in parts
        for b in parts
        for port in open_to(a, "egress", b, "to") & open_to(b, "ingress", a, "from")
    }


@pytest.mark.components(name="helm")
def test_pods_reach_only_what_they_need(manifests: list[Manifest]) -> None:
    wanted = {("web", "code", 4000), ("daemon", "code", 4000)}
    if "postgres" in pods(manifests):
        wanted |= {(part, "postgres", 5432) for part in ("code", "web", "daemon")}
    assert flows(manifests) == wanted
    outside = {
        (name, peer["ipBlock"]["cidr"], port["port"])
        for name, policy in of_kind(manifests, "NetworkPolicy").items()
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
        for port in rule["ports"]
    }
    database = {(f"ft-from-{part}", "10.20.0.0/16", 5432) for part in ("code", "web", "daemon")}
    lake = {(f"ft-from-{part}", "0.0.0.0/0", 443) for part in ("code", "web")}
    assert outside in (set(), database | lake)


@pytest.mark.components(name="helm")
def test_a_run_in_the_code_location_is_not_evicted_unless_somebody_says_so() -> None:
    minimal = str(CHART / "examples" / "minimal.yaml")
    (budget,) = of_kind(rendered("--values", minimal), "PodDisruptionBudget").values()
    assert budget["spec"]["maxUnavailable"] == 0
    assert not of_kind(rendered("--values", minimal, "--set", "code.evictable=true"), "PodDisruptionBudget")

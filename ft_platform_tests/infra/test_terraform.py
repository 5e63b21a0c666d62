"""The Terraform files of Google Cloud, Azure and Databricks, judged by the schemas of the providers; and each program
tried in each zone of the lake by the conditions in them. No cloud was asked, and nothing was deployed."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.infra.test_bucket_rights import DECLARED, HERE, KEYS, PLACES, THERE

CLIENTS = Path(os.environ.get("FT_TEST_CLIENTS", "/nonexistent"))
PYTHON = CLIENTS / "bin" / "python"
JUDGE = Path(__file__).with_name("terraform.py")
CLOUDS = ("gcp", "azure", "databricks")
PROGRAMS = ("platform", "workers", "vault_reader")
OVERWRITES = {"platform": ("rwd/rwd", "rwd/rwd", "wd/wd", "wd/wd", "rw")}
"""In Google Cloud nobody writes an object again who may not delete it; so the platform may where it writes."""
Done = Callable[[str, str, str], bool]
"""Whether a program (1) does something (2: r, w, d) with an object (3: its name)."""

pytestmark = [
    pytest.mark.components(name="terraform"),
    pytest.mark.skipif(
        not list(CLIENTS.glob("lib/python3*/site-packages/hcl2")),
        reason="needs the schemas of providers: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER",
    ),
]


def asked(*words: str | Path) -> Any:
    return json.loads(subprocess.run([PYTHON, JUDGE, *words], check=True, capture_output=True, text=True).stdout)


def file(cloud: str) -> Path:
    return REPOSITORY / "infra" / cloud / "platform.tf"


@pytest.fixture(scope="module")
def content() -> Callable[[str], dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    return lambda cloud: found.get(cloud) or found.setdefault(cloud, unquoted(asked("--content", file(cloud))))


def unquoted(value: Any) -> Any:
    """Texts without the quotes that the parser keeps."""
    if isinstance(value, dict):
        return {unquoted(name): unquoted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [unquoted(one) for one in value]
    return value[1:-1].replace('\\"', '"') if isinstance(value, str) and value.startswith('"') else value


def test_every_block_fits_the_schema_of_its_provider() -> None:
    assert asked(*map(file, CLOUDS)) == []


@pytest.mark.parametrize(
    ("cloud", "right", "wrong", "problem"),
    [
        ("gcp", "uniform_bucket_level_access", "uniform_bucket_access", "has no uniform_bucket_access"),
        ("gcp", '  location                    = var.region\n  uniform', "  uniform", "lake needs location"),
        ("gcp", "google_kms_crypto_key.lake.id", "google_kms_crypto_key.sea.id", "resource.google_kms_crypto_key.sea"),
        ("azure", "shared_access_key_enabled", "shared_keys_enabled", "has no shared_keys_enabled"),
        ("azure", '">= 5.0, < 6.0"', '">= 4.0, < 5.0"', "it is for azurerm 4.0 to 5.0"),
        ("databricks", "var.most_workers", "4", "var.most_workers is not used"),
        ("databricks", "storage_root ", "storage_place ", "has no storage_place"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_seen(cloud: str, right: str, wrong: str, problem: str, tmp_path: Path) -> None:
    text = file(cloud).read_text(encoding="utf-8")
    assert right in text
    planted = tmp_path / "planted.tf"
    planted.write_text(text.replace(right, wrong), encoding="utf-8")
    assert any(problem in found for found in asked(planted))


def test_nothing_is_written_under_another_key_than_that_of_the_lake(content: Callable[[str], dict[str, Any]]) -> None:
    (bucket,) = [body for name, body in resources(content("gcp"), "google_storage_bucket") if name == "lake"]
    (encryption,) = bucket["encryption"]
    assert encryption["default_kms_key_name"] == "${google_kms_crypto_key.lake.id}"
    for whose in ("google_managed", "customer_supplied"):
        (enforced,) = encryption[f"{whose}_encryption_enforcement_config"]
        assert enforced["restriction_mode"] == "FullyRestricted"
    (container,) = [body for name, body in resources(content("azure"), "azurerm_storage_container") if name == "lake"]
    (scope,) = [body for _, body in resources(content("azure"), "azurerm_storage_encryption_scope")]
    assert container["default_encryption_scope"] == "${azurerm_storage_encryption_scope.lake.name}"
    assert container["encryption_scope_override_enabled"] is False
    assert scope["key_vault_key_id"] == "${azurerm_key_vault_key.lake.versionless_id}"


def resources(content: dict[str, Any], kind: str, section: str = "resource") -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in content[section]:
        yield from entry.get(kind, {}).items()


def in_google(content: dict[str, Any]) -> Done:
    """By the bindings of the bucket, whose conditions are computed as CEL would."""
    custom = {
        f"${{google_project_iam_custom_role.{name}.id}}": body["permissions"]
        for name, body in resources(content, "google_project_iam_custom_role")
    }
    known = {
        "roles/storage.objectUser": ["storage.objects.get", "storage.objects.create", "storage.objects.delete"],
        "roles/storage.objectViewer": ["storage.objects.get"],
        **custom,
    }
    (local,) = content["locals"]
    (policy,) = [body for _, body in resources(content, "google_iam_policy", "data")]
    (dynamic,) = policy["dynamic"]
    (shape,) = dynamic["binding"]["content"][0]["condition"]
    assert dynamic["binding"]["for_each"] == "${local.grants}"
    bindings = [
        (program, role, filled(shape["expression"], {"binding.value.path": path, "local.objects": OBJECTS}))
        for program, paths in local["rights"].items()
        for path, role in paths.items()
    ]
    for binding in policy["binding"]:
        for member in binding["members"] if "condition" in binding else []:
            (program,) = re.findall(r'program\["([a-z-]+)"\]', member)
            bindings.append(
                (program, binding["role"], filled(binding["condition"][0]["expression"], {"local.objects": OBJECTS}))
            )
    need = {"r": {"storage.objects.get"}, "d": {"storage.objects.delete"}, "w": {"storage.objects.create"}}

    def done(program: str, does: str, key: str) -> bool:
        return any(
            who == program and need[does] <= set(known[role]) and cel(expression, f"projects/_/buckets/b/objects/{key}")
            for who, role, expression in bindings
        )

    return done


OBJECTS = "projects/_/buckets/b/objects/lake"


def filled(text: str, values: dict[str, str]) -> str:
    found = re.sub(r"\$\{([^}]+)\}", lambda one: values[one[1]], text)
    return found.replace('\\"', '"')


def cel(expression: str, name: str) -> bool:
    """`resource.name.startsWith("...")` and `resource.name.extract("/a/{b}/c/") != ""`, joined by `&&`."""
    for part in expression.split(" && "):
        if found := re.fullmatch(r'resource\.name\.startsWith\("([^"]+)"\)', part):
            holds = name.startswith(found[1])
        elif found := re.fullmatch(r'resource\.name\.extract\("([^"{]+)\{\w+\}([^"]+)"\) != ""', part):
            _, before, rest = name.partition(found[1])
            holds = bool(before) and found[2] in rest and bool(rest.partition(found[2])[0])
        else:
            raise AssertionError(f"unknown: {part}")
        if not holds:
            return False
    return True


def in_azure(content: dict[str, Any]) -> Done:
    """By the role assignments of the container, whose conditions are computed as Azure would."""
    (local,) = content["locals"]
    blobs = local["blobs"]
    (assignment,) = [body for name, body in resources(content, "azurerm_role_assignment") if name == "program"]
    assert (assignment["for_each"], assignment["scope"]) == ("${local.grants}", "${azurerm_storage_container.lake.id}")
    need = {"r": "read", "w": "add/action", "d": "delete"}

    def done(program: str, does: str, key: str) -> bool:
        action = f"{blobs}/{need[does]}"
        return any(
            action in {filled(one, {"local.blobs": blobs}) for one in local["does"][how]}
            and abac(
                filled(assignment["condition"], AZURE | {"local.blobs": blobs, "each.value.path": path}), action, key
            )
            for path, how in local["rights"].get(program, {}).items()
        )

    return done


AZURE = {"var.lake_prefix": "lake"}


def abac(condition: str, action: str, path: str, listing: str | None = None) -> bool:
    """A condition of a role assignment.

    Args:
        listing: prefix of names that are listed.
    """
    text = re.sub(r"<<-EOT|EOT|\n", " ", condition).strip()
    text = re.sub(r"ActionMatches\{'([^']+)'\}", lambda found: str(action == found[1]), text, flags=0)
    text = re.sub(r"SubOperationMatches\{'Blob\.List'\}", str(listing is not None), text)
    text = re.sub(
        r"@(Resource|Request)\[[^\]]+:(?:path|prefix)\] StringLike '([^']+)'",
        lambda found: str(fnmatchcase(path if found[1] == "Resource" else listing or "", found[2])),
        text,
    )
    text = text.replace("AND", "and").replace("OR", "or").replace("!", " not ")
    assert re.fullmatch(r"(?:True|False|and|or|not|[()\s])+", text), text
    return bool(eval(text))  # noqa: S307  words and brackets only


def table(done: Done, program: str) -> tuple[str, ...]:
    def what(key: str) -> str:
        return "".join(does for does in "rwd" if done(program, does, key)) or "-"

    return tuple(
        what(KEYS[place])
        if place == "audit log"
        else "/".join(what(KEYS[place].format(name)) for name in (HERE, THERE))
        for place in PLACES
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_in_google_cloud_a_program_does_what_is_declared(
    program: str, content: Callable[[str], dict[str, Any]]
) -> None:
    assert table(in_google(content("gcp")), program.replace("_", "-")) == {**DECLARED, **OVERWRITES}[program]


@pytest.mark.parametrize("program", PROGRAMS)
def test_in_azure_a_program_does_what_is_declared(program: str, content: Callable[[str], dict[str, Any]]) -> None:
    assert table(in_azure(content("azure")), program.replace("_", "-")) == DECLARED[program]


def test_in_azure_names_are_listed_where_a_program_works_only(content: Callable[[str], dict[str, Any]]) -> None:
    (local,) = content("azure")["locals"]
    (assignment,) = [b for name, b in resources(content("azure"), "azurerm_role_assignment") if name == "program"]
    read = f"{local['blobs']}/read"
    condition = filled(assignment["condition"], AZURE | {"local.blobs": local["blobs"], "each.value.path": "shared/"})
    assert abac(condition, read, "", listing="lake/shared/letters/")
    assert not abac(condition, read, "", listing="lake/restricted/")
    assert not abac(condition, read, "", listing="")
    assert not abac(condition, read, "lake/restricted/letters/raw_records/part-0.parquet")


def test_a_right_too_many_is_seen(content: Callable[[str], dict[str, Any]]) -> None:
    """Planted: workers read the restricted zone."""
    for cloud, judged, how in (("gcp", in_google, "roles/storage.objectViewer"), ("azure", in_azure, "reader")):
        planted = json.loads(json.dumps(content(cloud)))
        planted["locals"][0]["rights"]["workers"]["restricted/"] = how
        assert table(judged(planted), "workers") != DECLARED["workers"]


def test_no_program_gets_a_role_on_the_whole_bucket_or_account(content: Callable[[str], dict[str, Any]]) -> None:
    granted = {
        (body["member"], body["role"])
        for _, body in resources(content("gcp"), "google_project_iam_member")
        if "program" in body["member"]
    }
    assert not [role for _, role in granted if "storage" in role]
    assert len(granted) == 3
    for name, body in resources(content("azure"), "azurerm_role_assignment"):
        assert name in ("program", "learning") or "identity.program[" not in body["principal_id"], name


def test_jobs_of_azure_machine_learning_get_no_way_around_the_roles_of_the_lake(
    content: Callable[[str], dict[str, Any]],
) -> None:
    azure = content("azure")
    (local,) = azure["locals"]
    granted = r'scope = one\((\w+\.\w+)\[\*\]\.id\), role = "([^"]+)"'
    found = {(holder, *one) for holder in ("learning", "workspace") for one in re.findall(granted, local[holder])}
    assert sum(local[holder].count("role = ") for holder in ("learning", "workspace")) == len(found)
    assert found == {
        ("learning", "azurerm_machine_learning_workspace.jobs", "AzureML Data Scientist"),
        ("learning", "azurerm_key_vault.launches", "Key Vault Secrets Officer"),
        ("learning", "azurerm_key_vault.launches", "Key Vault Secrets User"),
        ("learning", "azurerm_container_registry.images", "AcrPull"),
        ("learning", "azurerm_storage_account.jobs", "Storage Blob Data Contributor"),
        ("workspace", "azurerm_storage_account.jobs", "Storage Blob Data Contributor"),
        ("workspace", "azurerm_key_vault.jobs", "Key Vault Administrator"),
        ("workspace", "azurerm_container_registry.images", "AcrPull"),
        # To approve private connections, not to read what lies behind them.
        ("workspace", "azurerm_storage_account.jobs", "Azure AI Enterprise Network Connection Approver"),
        ("workspace", "azurerm_key_vault.jobs", "Azure AI Enterprise Network Connection Approver"),
        ("workspace", "azurerm_storage_account.lake", "Azure AI Enterprise Network Connection Approver"),
        ("workspace", "azurerm_key_vault.launches", "Azure AI Enterprise Network Connection Approver"),
        ("workspace", "azurerm_container_registry.images", "Azure AI Enterprise Network Connection Approver"),
    }
    (cluster,) = [body for _, body in resources(azure, "azurerm_machine_learning_compute_cluster")]
    (identity,) = cluster["identity"]
    assert identity["identity_ids"] == ['${azurerm_user_assigned_identity.program["workers"].id}']
    (workspace,) = [body for _, body in resources(azure, "azurerm_machine_learning_workspace")]
    (network,) = workspace["managed_network"]
    assert network["isolation_mode"] == "AllowOnlyApprovedOutbound"
    assert workspace["public_network_access_enabled"] is False

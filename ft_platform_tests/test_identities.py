"""A use case with an account of its own: its code cannot read what belongs to another one, or to the installation.

The tests that change accounts need root and a mount namespace of their own, in which two accounts exist and the
interpreter can be reached by them; elsewhere they are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ft_platform import cli
from ft_platform.errors import ConfigError
from ft_platform.orchestration import identities
from ft_platform.orchestration.identities import Identity, become, identity_of, is_served_here, own_environment, prepare
from ft_platform.orchestration.loading import component_problems, load_definitions
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case

# What a hostile use case does while it is loaded: reads whatever it is told to, and notes what it got.
SPY = """
import json
import os
from pathlib import Path

from ft_platform.components import FineTuningUseCase


def seen(path):
    try:
        return "a folder" if os.path.isdir(path) and os.listdir(path) is not None else Path(path).read_bytes()[:20].hex()
    except OSError as error:
        return type(error).__name__


targets = json.loads(Path(TARGETS).read_text())
found = {name: seen(path) for name, path in targets.items()}
Path(NOTES, f"seen-by-{os.geteuid()}.json").write_text(json.dumps(found))


class Spying(FineTuningUseCase):
    pass
"""  # noqa: E501


def spying_use_case(environment: Environment, notes: Path, targets: Path, source: str = "records.csv") -> None:
    file = write_use_case(environment.defs, "spy", minimal_attributes(source))
    file.write_text(file.read_text().replace("ft_platform.components.FineTuningUseCase", ".component.Spying"))
    (file.parent / "component.py").write_text(f"TARGETS, NOTES = {str(targets)!r}, {str(notes)!r}\n{SPY}")


@pytest.fixture
def with_account(environment: Environment) -> Environment:
    return environment.model_copy(update={"identities": {"spy": "daemon"}})


def test_code_of_a_use_case_with_its_own_account_is_not_loaded_under_another_one(
    with_account, environment, tmp_path, monkeypatch
) -> None:
    (tmp_path / "targets.json").write_text("{}")
    spying_use_case(with_account, tmp_path, tmp_path / "targets.json")
    write_use_case(with_account.defs, "letters", minimal_attributes("records.csv"))
    groups = {key.path[0] for key in load_definitions(with_account).resolve_all_asset_keys()}
    assert groups == {"letters"}
    assert component_problems([with_account.defs / "spy"], with_account) == []
    with pytest.raises(ConfigError, match="under an account of its own"):
        load_definitions(with_account, only="spy")
    assert not list(tmp_path.glob("seen-by-*"))
    monkeypatch.setenv("FT_IDENTITY", "spy")
    assert {key.path[0] for key in load_definitions(with_account).resolve_all_asset_keys()} == {"spy"}
    assert list(tmp_path.glob("seen-by-*")), "the same code is loaded where the setting does not name it"


def test_a_process_of_an_account_serves_its_own_use_case_only(with_account, monkeypatch) -> None:
    assert (is_served_here(with_account, "spy"), is_served_here(with_account, "letters")) == (False, True)
    monkeypatch.setenv("FT_IDENTITY", "spy")
    assert (is_served_here(with_account, "spy"), is_served_here(with_account, "letters")) == (True, False)


def test_nothing_of_the_installations_own_files_and_keys_is_handed_on(with_account, monkeypatch) -> None:
    monkeypatch.setenv("FT_PSEUDONYM_KEY", "secret of the installation")
    monkeypatch.setenv("FT_VAULT_KEY", "secret of the vault")
    moved = with_account.model_copy(
        update={
            "key_file": Path("/keys/all.key"),
            "cache": Path("/cache"),
            "lake_root": "/lake",
            "key_provider": "environment",
        }
    )
    made = identities.variables(moved, "spy", Identity("daemon", 1, 1))
    home = moved.home / "identities" / "spy"
    assert not [value for value in made.values() if value.startswith("secret of")]
    assert made["FT_KEY_PROVIDER"] == "file"
    for name in (
        "FT_HOME",
        "FT_LAKE_ROOT",
        "FT_KEY_FILE",
        "FT_VAULT_KEY_FILE",
        "FT_VAULT_PUBLIC_KEY_FILE",
        "FT_SIGNING_KEY_FILE",
        "FT_SEALS_FOLDER",
        "FT_CACHE",
    ):
        assert Path(made[name]).is_relative_to(home), name
    assert Path(made["DAGSTER_HOME"]).is_relative_to(home)


@pytest.mark.parametrize(
    ("user", "problem"), [("nobody_has_this_name", "does not have"), ("root", "may read everything")]
)
def test_an_account_that_keeps_nothing_apart_is_an_error(environment, user, problem) -> None:
    with pytest.raises(ConfigError, match=problem):
        identity_of(environment.model_copy(update={"identities": {"spy": user}}), "spy")


def test_an_object_store_is_an_error(with_account) -> None:
    with pytest.raises(ConfigError, match="on a local lake only"):
        own_environment(with_account.model_copy(update={"lake_root": "s3://bucket/lake"}), "spy")


def test_without_the_account_and_without_root_nothing_starts(with_account, monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ConfigError, match="sudo -u daemon ft"):
        become(with_account, "spy")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_is_the_installations_is_closed_and_the_home_is_the_accounts(with_account, monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(with_account.home / "dagster"))
    for name in ("dagster", "lake/restricted"):
        (with_account.home / name).mkdir(parents=True, mode=0o755)
    identity = identity_of(with_account, "spy")
    assert identity
    prepare(with_account, "spy", identity)
    for name in ("dagster", "lake/restricted", "vault"):
        assert (with_account.home / name).stat().st_mode & 0o007 == 0, name
    own = with_account.home / "identities/spy"
    assert (own.stat().st_uid, own.stat().st_mode & 0o777) == (identity.uid, 0o700)
    os.chown(own, 12345, 12345)
    with pytest.raises(ConfigError, match="does not belong to daemon"):
        prepare(with_account, "spy", identity)
    own.rmdir()
    own.symlink_to("/nowhere")
    with pytest.raises(ConfigError, match="does not belong to daemon"):
        prepare(with_account, "spy", identity)


@pytest.mark.integration
def test_ft_list_and_ft_ui_say_which_use_cases_are_elsewhere(with_account, monkeypatch, capsys) -> None:
    write_use_case(with_account.defs, "spy", minimal_attributes("records.csv"))
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: with_account)
    monkeypatch.setattr(cli.ui.os, "execvpe", lambda *_: None)
    monkeypatch.setenv("DAGSTER_HOME", str(with_account.home / "dagster"))
    assert cli.main(["list", "--json"]) == 0
    assert [row["last_run"] for row in json.loads(capsys.readouterr().out)] == ["elsewhere"]
    cli.main(["ui"])
    assert "have their own UI: ft ui spy" in capsys.readouterr().out
    assert cli.main(["ui", "letters"]) == 1
    assert "letters has no account of its own" in capsys.readouterr().err


# Accounts and a path to the interpreter, for the processes in this namespace only: nothing of it is left on the
# machine.
NAMESPACE = """
set -e
mount --make-rprivate /
mkdir -p "$FOLDER/python"
mount --bind "$PREFIX" "$FOLDER/python"
if [ -n "$CLOSED" ]; then
  mount -t tmpfs -o mode=755 none "$CLOSED"
  mkdir -p "$PREFIX"
  mount --bind "$FOLDER/python" "$PREFIX"
fi
cp /etc/passwd "$FOLDER/passwd"; cp /etc/group "$FOLDER/group"
echo "ft_test:x:60999:" >> "$FOLDER/group"
echo "ft_spy:x:60998:60999::/nonexistent:/usr/sbin/nologin" >> "$FOLDER/passwd"
echo "ft_victim:x:60997:60999::/nonexistent:/usr/sbin/nologin" >> "$FOLDER/passwd"
mount --bind "$FOLDER/passwd" /etc/passwd; mount --bind "$FOLDER/group" /etc/group
cd "$FOLDER"
exec "$@"
"""


def closed_folder(path: Path) -> str:
    """The outermost folder on the way to a path that other accounts cannot pass, or nothing."""
    return next((str(folder) for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), "")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other accounts can reach; pytest's own are closed."""
    made = Path(tempfile.mkdtemp(prefix="ft-identities-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def in_namespace(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        namespace_words(*words),
        env=namespace_variables(folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def namespace_words(*words: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", NAMESPACE, "sh", *words]


def namespace_variables(folder: Path) -> dict[str, str]:
    prefix = Path(sys.base_prefix)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_"))}
    variables = {
        **kept,
        "FOLDER": str(folder),
        "PREFIX": str(prefix),
        "CLOSED": closed_folder(prefix),
        "PYTHONPATH": str(REPOSITORY),
    }
    return variables | {"FT_ENVIRONMENT": str(folder / "ft_environment.yaml")}


def needs_namespace(folder: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root, and unshare from util-linux")
    tried = in_namespace(
        folder,
        sys.executable,
        "-c",
        "import os; os.setgid(60999); os.setuid(60998); os.execv(__import__('sys').executable, ['p', '-c', ''])",
    )
    if tried.returncode:
        pytest.skip(
            f"no mount namespace, or the interpreter cannot be reached by other accounts: {tried.stderr[-200:]}"
        )


@pytest.mark.integration
def test_code_of_one_use_case_cannot_read_another_ones_records_and_keys(folder: Path) -> None:
    needs_namespace(folder)
    installation(folder)
    own = folder / "home/identities/victim"
    (folder / "home/lake/restricted/letters").mkdir(parents=True)
    (folder / "home/dagster").mkdir()
    (folder / "home/vault").mkdir()
    (folder / "home/vault/pseudonym.key").write_text("ab" * 32)
    for name in ("victim", "spy"):
        done = in_namespace(
            folder, sys.executable, "-m", "ft_platform.cli", "run", name, "--select", "raw_records", "--json"
        )
        assert done.returncode == 0, done.stderr
    assert (own / "lake/restricted/victim").is_dir()
    assert [file.name for file in (folder / "notes").iterdir()] == ["seen-by-60998.json"], (
        "nobody else has loaded its code"
    )
    seen = json.loads((folder / "notes/seen-by-60998.json").read_text())
    assert len(seen.pop("its own key")) == 40
    assert set(seen.values()) == {"PermissionError"}, seen
    assert {path.stat().st_uid for path in (own / "lake").rglob("*")} == {60997}


def installation(folder: Path) -> Environment:
    """Two use cases with accounts, one without, and what the spy is told to read."""
    environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
    environment.defs.mkdir()
    (folder / "records.csv").write_text(
        "id,text,label,consent,region\n" + "".join(f"{n},A letter about card {n},a,yes,north\n" for n in range(30))
    )
    (folder / "notes").mkdir()
    (folder / "notes").chmod(0o777)
    spying_use_case(environment, folder / "notes", folder / "targets.json", str(folder / "records.csv"))
    for name in ("victim", "letters"):
        write_use_case(environment.defs, name, minimal_attributes(str(folder / "records.csv")))
    own = folder / "home/identities/victim"
    targets = {
        "its lake": own / "lake",
        "its restricted zone": own / "lake/restricted/victim",
        "its key": own / "vault/pseudonym.key",
        "its signing key": own / "vault/signing.key",
        "its Dagster instance": own / "dagster/dagster.yaml",
        "the installation's Dagster instance": folder / "home/dagster",
        "the installation's key": folder / "home/vault/pseudonym.key",
        "the installation's restricted zone": folder / "home/lake/restricted/letters",
        "root's files": Path("/etc/shadow"),
        "its own key": folder / "home/identities/spy/vault/pseudonym.key",
    }
    (folder / "targets.json").write_text(json.dumps({name: str(path) for name, path in targets.items()}))
    settings = {"home": str(environment.home), "defs": str(environment.defs), "tracking_uri": "none"}
    (folder / "ft_environment.yaml").write_text(
        yaml.safe_dump({**settings, "identities": {"spy": "ft_spy", "victim": "ft_victim"}})
    )
    return environment

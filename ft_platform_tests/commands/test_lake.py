"""`ft check` says who else may read the private folders, and `ft lake harden` closes them."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.lake import modes, store_access
from ft_platform.lake.places import Places
from ft_platform.lake.store import Lake
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.conftest import minimal_attributes, write_use_case


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose private folders are open, as versions before made them."""
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    write_use_case(tmp_path / "defs", "claims", minimal_attributes("claims.csv"))
    places = ("lake/restricted/claims/a.json", "lake/vault/claims/b.sealed", "vault/pseudonym.key")
    for place in (*places, "serving/traffic/spool.sqlite", "dagster/c.db"):
        file = tmp_path / "home" / place
        file.parent.mkdir(parents=True)
        file.touch()
        os.chmod(file, 0o644)
        for folder in file.parents[: len(Path(place).parts) - 1]:
            os.chmod(folder, 0o755)
    return tmp_path / "home"


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    main(["check", "--json"])
    return json.loads(capsys.readouterr().out)["warnings"]


def test_an_open_lake_is_a_warning_until_it_is_hardened(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = warnings(capsys)
    expected = [str(home / p) for p in ("lake/restricted", "lake/vault", "vault", "serving/traffic", "dagster")]
    assert [sentence.split(" is open", 1)[0] for sentence in found] == expected
    assert all(sentence.endswith("Close it with: ft lake harden") for sentence in found)
    assert main(["lake", "harden", "--json"]) == 0
    counts = {
        one["folder"]: (one["changed"], one["entries"], one["left"]) for one in json.loads(capsys.readouterr().out)
    }
    all_of_two = dict.fromkeys(("keys", "served traffic", "Dagster home"), (2, 2, 0))
    assert counts == {"restricted": (3, 3, 0), "vault": (3, 3, 0), **all_of_two}
    assert warnings(capsys) == []
    assert main(["lake", "harden", "--json"]) == 0
    assert {one["changed"] for one in json.loads(capsys.readouterr().out)} == {0}
    assert {stat.S_IMODE(p.stat().st_mode) for p in home.glob("lake/restricted/**/*")} == {0o700, 0o600}


def test_a_warning_is_no_problem(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--files"]) == 0
    assert "warning: " in capsys.readouterr().err


def test_wide_files_behind_a_closed_folder_are_said_to_be_that(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lake", "harden"])
    os.chmod(home / "lake/restricted/claims/a.json", 0o644)
    assert warnings(capsys) == [
        f"1 of 3 files and folders in {home}/lake/restricted have wider modes than they need, although the folder"
        " keeps others out. Close it with: ft lake harden"
    ]


def test_a_named_group_gets_the_zones_and_not_the_keys(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["lake", "harden"])
    import grp

    monkeypatch.setenv("FT_RESTRICTED_GROUP", grp.getgrgid(os.getgid()).gr_name)
    assert any("is not open to group" in sentence for sentence in warnings(capsys))
    assert main(["lake", "harden"]) == 0
    assert warnings(capsys) == []
    assert stat.S_IMODE((home / "lake/restricted/claims").stat().st_mode) == 0o2770
    assert stat.S_IMODE((home / "lake/restricted/claims/a.json").stat().st_mode) == 0o660
    assert stat.S_IMODE((home / "vault/pseudonym.key").stat().st_mode) == 0o600
    monkeypatch.setenv("FT_RESTRICTED_GROUP", "")
    assert any("is open to others than its owner" in sentence for sentence in warnings(capsys))


def test_a_group_that_does_not_exist_is_one_clear_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FT_RESTRICTED_GROUP", "nobody-has-this-group")
    for words in (["check"], ["lake", "harden"]):
        assert main(words) == 1
        said = [line for line in capsys.readouterr().err.splitlines() if "no group" in line]
        assert len(said) == 1 and "nobody-has-this-group" in said[0]


def test_what_this_account_may_not_look_into_is_said_to_be_that(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["lake", "harden"])
    monkeypatch.setattr("ft_platform.lake.modes.os.access", lambda *_: False)
    monkeypatch.setattr(
        Path, "iterdir", lambda self: (_ for _ in ()).throw(PermissionError()) if "home" in self.parts else iter(())
    )
    monkeypatch.setattr("ft_platform.onboarding.rehearsal.file_problems.validate_all", lambda *_: [])
    monkeypatch.setattr("ft_platform.use_case.file.find_use_cases", lambda defs: [])
    assert [sentence.split(" was not checked", 1)[0] for sentence in warnings(capsys)] == [
        str(home / place) for place in ("lake/restricted", "lake/vault", "vault", "serving/traffic", "dagster")
    ]


def test_a_file_system_without_modes_is_said_to_be_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["lake", "harden"])
    monkeypatch.setattr(modes, "modes_hold", lambda folder: False)
    assert [sentence for sentence in warnings(capsys) if "has no modes" in sentence]


def test_a_new_installation_has_nothing_to_warn_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path))
    # Set first, so that it is put back as it was: the command sets it.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    before = os.umask(0)
    try:
        assert main(["init"]) == 0
        assert main(["lake", "harden"]) == 0
    finally:
        os.umask(before)
    assert warnings(capsys) == []


def of_bucket(lake: Places) -> list[str]:
    return [
        sentence.split(". Only the role", 1)[0].removeprefix("bucket claims: ")
        for sentence in store_access.problems_of(lake)
    ]


def test_an_open_bucket_is_found_by_block_policy_and_acl(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_bucket("claims", monkeypatch) as client:
        lake = Lake(
            "s3://claims/lake",
            {
                "AWS_ENDPOINT_URL": client.meta.endpoint_url,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
            },
        )
        assert of_bucket(lake)[0] == "it has no public-access block of its own"
        shut: dict[str, Any] = dict.fromkeys(store_access.BLOCKS, True)
        client.put_public_access_block(Bucket="claims", PublicAccessBlockConfiguration=shut)
        assert not [sentence for sentence in of_bucket(lake) if "block" in sentence or "ACL" in sentence]
        client.put_public_access_block(
            Bucket="claims", PublicAccessBlockConfiguration={**shut, "BlockPublicPolicy": False}
        )
        assert of_bucket(lake)[0] == "its public-access block has BlockPublicPolicy switched off"
        client.put_bucket_acl(Bucket="claims", ACL="public-read")
        assert "its ACL gives everyone READ" in of_bucket(lake)


def test_what_a_store_does_not_tell_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(
        "s3://claims/lake",
        {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_REGION": "us-east-1",
        },
    )
    assert len(of_bucket(lake)) == 3
    assert all("could not be checked" in sentence for sentence in of_bucket(lake))
    monkeypatch.setattr(lake, "root", "gs://claims/lake")
    assert store_access.problems_of(lake)[0].startswith("who may read gs://claims/lake was not checked")

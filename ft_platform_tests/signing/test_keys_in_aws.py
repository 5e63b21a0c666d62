"""The signing key in AWS KMS and AWS Secrets Manager (a local server of their protocols): signs, verifies, rotates, is
lost, goes on, is stolen."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from ft_platform import cli
from ft_platform.errors import KeyMissing
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.signing.models import sign_model, verify_model
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import aws_server
from ft_platform_tests.lake.test_seals import seals, table

pytestmark = pytest.mark.components(name="aws")

SECRET = "ft/signing"


@pytest.fixture(params=["aws_kms", "aws_secrets_manager"])
def provider(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    with aws_server(monkeypatch):
        name = f"aws_kms:{new_kms_key()}" if request.param == "aws_kms" else f"aws_secrets_manager:{SECRET}"
        monkeypatch.setenv("FT_SIGNING_KEY_PROVIDER", name)
        yield name


def new_kms_key() -> str:
    return boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]


def made_unusable(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A KMS key that was deleted is one that does not exist (this server goes on decrypting until then). A secret waits
    for its deletion."""
    if provider.startswith("aws_kms"):
        monkeypatch.setenv("FT_SIGNING_KEY_PROVIDER", "aws_kms:00000000-0000-4000-8000-000000000000")
    else:
        boto3.client("secretsmanager").delete_secret(SecretId=SECRET)


def gone(provider: str, environment: Environment) -> None:
    if provider.startswith("aws_kms"):
        environment.signing_key_path.unlink()
    else:
        boto3.client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)


def intact(environment: Environment) -> bool:
    return inspect(open_lake(environment), "legal").problems == []


def test_an_installation_signs_verifies_rotates_loses_the_key_and_goes_on(provider, tmp_path, capsys):
    environment = load_environment()
    assert environment.signing_key_provider == provider
    model, signatures = tmp_path / "model", [tmp_path / f"{number}.sig" for number in range(3)]
    model.mkdir()
    (model / "weights").write_bytes(b"weights")

    table(open_lake(environment), "splits", "a")
    sign_model(model, signatures[0], signing_keys_of(environment))
    assert cli.main(["seals", "rotate"]) == 0 and "version 2" in capsys.readouterr().out
    table(open_lake(environment), "splits", "b")
    sign_model(model, signatures[1], signing_keys_of(environment))
    assert intact(environment)

    gone(provider, environment)
    with pytest.raises(KeyMissing, match=r"the signing key is not in .* any more.*ft seals rotate"):
        table(open_lake(environment), "splits", "c")
    assert intact(environment) and verify_model(model, signatures[1], signing_keys_of(environment))
    assert cli.main(["seals", "rotate"]) == 0 and "version 3" in capsys.readouterr().out
    table(open_lake(environment), "splits", "c")
    sign_model(model, signatures[2], signing_keys_of(environment))
    assert intact(environment)
    assert len({entry.key for entry in seals(open_lake(environment)).journal.entries()}) == 3
    assert [verify_model(model, one, signing_keys_of(environment)).version for one in signatures] == [1, 2, 3]


def test_the_plain_key_is_nowhere_on_the_disk(provider, tmp_path):
    environment = load_environment()
    table(open_lake(environment))
    key = signing_keys_of(environment)._newest[1].private_bytes_raw()
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files and not any(key in path.read_bytes() or key.hex().encode() in path.read_bytes() for path in files)


def test_a_place_that_cannot_be_used_any_more_says_so_and_another_one_goes_on(provider, tmp_path, monkeypatch, capsys):
    table(open_lake(load_environment()), "splits", "a")
    made_unusable(provider, monkeypatch)
    environment = load_environment()
    with pytest.raises(KeyMissing, match=r"cannot be used \(\w+\)"):
        table(open_lake(environment), "splits", "b")
    assert cli.main(["seals", "rotate"]) == 1 and "cannot be used" in capsys.readouterr().err, (
        "rotation never writes over what it cannot read"
    )
    assert intact(environment)
    other = f"aws_kms:{new_kms_key()}" if provider.startswith("aws_kms") else f"aws_secrets_manager:{SECRET}-2"
    monkeypatch.setenv("FT_SIGNING_KEY_PROVIDER", other)
    monkeypatch.setenv("FT_SIGNING_KEY_FILE", str(tmp_path / "home/vault/signing-2.key"))
    assert cli.main(["seals", "rotate"]) == 0 and "version 2" in capsys.readouterr().out
    table(open_lake(load_environment()), "splits", "b")
    assert intact(load_environment())


def test_a_stolen_key_signs_no_more_and_a_new_one_does(provider, tmp_path, capsys):
    environment = load_environment()
    version = table(open_lake(environment))
    stolen = signing_keys_of(environment).newest
    assert cli.main(["seals", "stolen", stolen, "--since", "2999-01-01T00:00:00+00:00"]) == 0
    with pytest.raises(KeyMissing, match="was reported stolen"):
        open_lake(environment).add_verdict(version, "no_leakage", True, "s")
    assert cli.main(["seals", "rotate"]) == 0
    open_lake(environment).add_verdict(version, "no_leakage", True, "s")
    assert intact(environment)


def test_many_rotations_fit_into_what_kms_encrypts(provider):
    """With every older private half the ring would outgrow the 4,096 bytes of KMS before version 60."""
    keys = signing_keys_of(load_environment())
    assert keys.newest
    for number in range(2, 61):
        assert keys.rotate().version == number

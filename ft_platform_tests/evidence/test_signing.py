"""A signed pack is checked with the public key alone; each alteration, another key and a missing signature are found.
No private key shows anywhere."""

import base64
import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ft_platform import cli
from ft_platform.errors import ConfigError
from ft_platform.reporting.evidence.gather import gather
from ft_platform.reporting.evidence.layout import ENVELOPE, SIGNATURE, STATEMENT
from ft_platform.reporting.evidence.pack import write_pack
from ft_platform.reporting.evidence.signing import PASSWORD, PAYLOAD_TYPE, PublicKey, Signer, pre_authentication
from ft_platform.reporting.evidence.verify import problems_of
from ft_platform_tests.evidence.case import small_case
from ft_platform_tests.evidence.test_verify import nothing, resealed

NOT_BY_THIS_KEY = "one of them was altered, or another key signed it"


class Keys:
    """A private and a public key as files."""

    def __init__(self, folder: Path, encryption: KeySerializationEncryption | None = None) -> None:
        folder.mkdir()
        self.private, self.public = folder / "signing_key.pem", folder / "public_key.pem"
        key = ed25519.Ed25519PrivateKey.generate()
        self.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
        self.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    @property
    def secret(self) -> bytes:
        """The line that may stand nowhere else."""
        return self.private.read_bytes().splitlines()[1]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys") / "own")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys") / "other")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> tuple[Path, str]:
    """A signed pack, and the sha256 of its zip file."""
    case = small_case()
    pack = write_pack(
        case.lake,
        case.use_case,
        gather(case.lake, case.checkpoint),
        tmp_path_factory.mktemp("packs") / "pack",
        Signer(keys.private),
    )
    return pack.folder, pack.sha256


@pytest.fixture
def pack(signed: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed[0], tmp_path / "pack"))


@pytest.mark.integration
def test_a_signed_pack_is_checked_offline_by_the_platform_and_by_openssl(
    signed: tuple[Path, str], keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sha256 = signed
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", lambda *_: pytest.fail("a connection was opened"))
        assert problems_of(folder, sha256, PublicKey(keys.public)) == [] == problems_of(folder, sha256)
    if openssl := shutil.which("openssl"):
        words = [
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            str(keys.public),
            "-rawin",
            "-in",
            str(folder / "SHA256SUMS"),
            "-sigfile",
            str(folder / SIGNATURE),
        ]
        assert subprocess.run([openssl, *words], capture_output=True, check=False).returncode == 0


def test_the_same_lake_and_key_give_the_same_bytes(signed: tuple[Path, str], keys: Keys, tmp_path: Path) -> None:
    case = small_case()
    evidence = gather(case.lake, case.checkpoint)
    again = write_pack(case.lake, case.use_case, evidence, tmp_path / "again", Signer(keys.private))
    assert again.sha256 == signed[1] and {SIGNATURE, ENVELOPE} <= again.files.keys()


def _flip(path: Path, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def _report(pack: Path) -> None:
    (pack / "index.html").write_text("<p>All is well.</p>")


def _report_with_sums_made_to_fit(pack: Path) -> None:
    _report(pack)
    assert resealed(pack, nothing) == [], "without a key nobody sees it"


def _statement_in_another_envelope(pack: Path) -> None:
    envelope = json.loads((pack / ENVELOPE).read_text())
    envelope["payload"] = base64.b64encode((pack / STATEMENT).read_bytes() + b" ").decode()
    (pack / ENVELOPE).write_text(json.dumps(envelope))


def _unsigned(pack: Path) -> None:
    (pack / SIGNATURE).unlink()
    (pack / ENVELOPE).unlink()


@pytest.mark.parametrize(
    ("alter", "sentences"),
    [
        (_report, ["index.html was altered: its hash is not the one in manifest.json"]),
        (_report_with_sums_made_to_fit, [NOT_BY_THIS_KEY]),
        (lambda pack: _flip(pack / SIGNATURE), [NOT_BY_THIS_KEY]),
        (lambda pack: (pack / SIGNATURE).write_bytes(b""), [f"{SIGNATURE} is no signature: expected 64 bytes, got 0"]),
        (lambda pack: (pack / SIGNATURE).unlink(), [f"{SIGNATURE} is missing: the pack is not signed"]),
        (
            _unsigned,
            [
                f"{SIGNATURE} is missing: the pack is not signed",
                f"{ENVELOPE} is missing: the statement {STATEMENT} is not signed",
            ],
        ),
        (lambda pack: _flip(pack / "SHA256SUMS", 0), [NOT_BY_THIS_KEY, "SHA256SUMS and manifest.json do not agree"]),
        (
            _statement_in_another_envelope,
            [f"{ENVELOPE} is not signed by this key", f"{ENVELOPE} holds another statement than {STATEMENT}"],
        ),
        (
            lambda pack: (pack / ENVELOPE).write_text('{"payload": 1}'),
            [f"{ENVELOPE} is no DSSE envelope that can be read"],
        ),
        (lambda pack: (pack / "manifest.json").unlink(), ["manifest.json is missing"]),
    ],
)
def test_whatever_is_altered_ends_in_its_sentence(
    pack: Path, keys: Keys, alter: Callable[[Path], object], sentences: list[str]
) -> None:
    alter(pack)
    found = problems_of(pack, key=PublicKey(keys.public))
    for sentence in sentences:
        assert any(sentence in problem for problem in found), found


def test_another_key_is_told(pack: Path, other: Keys) -> None:
    found = problems_of(pack, key=PublicKey(other.public))
    assert len(found) == 2 and NOT_BY_THIS_KEY in found[0] and "is not signed by this key" in found[1]


def test_a_link_in_place_of_the_signature_is_found_and_not_followed(pack: Path, keys: Keys, tmp_path: Path) -> None:
    (pack / SIGNATURE).rename(tmp_path / "elsewhere")
    (pack / SIGNATURE).symlink_to(tmp_path / "elsewhere")
    assert problems_of(pack) == [f"{SIGNATURE} is no file of its own"]
    assert f"{SIGNATURE} is missing: the pack is not signed" in problems_of(pack, key=PublicKey(keys.public))


def test_the_envelope_is_one_as_dsse_defines_it(signed: tuple[Path, str], keys: Keys) -> None:
    found = pre_authentication("http://example.com/HelloWorld", b"hello world")
    assert found == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    envelope = json.loads((signed[0] / ENVELOPE).read_text())
    assert envelope["payloadType"] == "application/vnd.in-toto+json" == PAYLOAD_TYPE
    payload = base64.b64decode(envelope["payload"])
    assert json.loads(payload)["_type"] == "https://in-toto.io/Statement/v1"
    (signature,) = envelope["signatures"]
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(keys.public.read_bytes())
    assert isinstance(key, ed25519.Ed25519PublicKey)
    key.verify(
        base64.b64decode(signature["sig"]), b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    )
    assert signature["keyid"] == PublicKey(keys.public).key_id


def _pem(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> bytes:
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password) if password else NoEncryption()
    )


@pytest.mark.parametrize(
    ("content", "password", "message"),
    [
        (None, None, "cannot be read"),
        (b"no key at all", None, "is no private key in PEM format"),
        (b"x" * 20_000, None, "is larger than a key"),
        (_pem(rsa.generate_private_key(65537, 2048)), None, "of another kind than Ed25519"),
        (_pem(ed25519.Ed25519PrivateKey.generate(), b"correct"), None, f"is encrypted: set {PASSWORD}"),
        (_pem(ed25519.Ed25519PrivateKey.generate(), b"correct"), "wrong", f"or {PASSWORD} is not its password"),
        (_pem(ed25519.Ed25519PrivateKey.generate()), "needless", f"is not encrypted, and {PASSWORD} is set"),
    ],
    ids=["missing", "no key", "large", "rsa", "encrypted", "wrong password", "needless password"],
)
def test_a_file_that_cannot_sign_is_refused_without_a_word_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, password: str | None, message: str
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.delenv(PASSWORD, raising=False)
    if password:
        monkeypatch.setenv(PASSWORD, password)
    with pytest.raises(ConfigError, match=message) as caught:
        Signer(path)
    shown = str(caught.value)
    assert (password or "correct") not in shown
    assert content is None or content.splitlines()[min(1, len(content.splitlines()) - 1)].decode() not in shown


def test_an_encrypted_key_signs_and_a_private_key_is_no_public_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(tmp_path / "keys", BestAvailableEncryption(b"correct"))
    monkeypatch.setenv(PASSWORD, "correct")
    assert PublicKey(keys.public).signed(b"content", Signer(keys.private).sign(b"content"))
    with pytest.raises(ConfigError, match="is no public key in PEM format"):
        PublicKey(keys.private)


def test_the_command_signs_and_checks_and_shows_no_private_key(
    keys: Keys,
    other: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = small_case()
    monkeypatch.setenv("FT_HOME", str(case.environment.home))
    monkeypatch.setenv("FT_DEFS", str(case.environment.defs))
    caplog.set_level("DEBUG")
    out = tmp_path / "pack"
    assert (
        cli.main(["evidence", "adapter_checkpoint-1", "--out", str(out), "--sign-with", str(keys.private), "--json"])
        == 0
    )
    written = capsys.readouterr()
    assert json.loads(written.out)["signed_by"] == PublicKey(keys.public).key_id
    shown = written.out + written.err
    for key, words, signature in (
        (keys.public, "signed by the key", "checked"),
        (None, "not checked: add --public-key", "present, not checked: add --public-key"),
    ):
        named = ["--public-key", str(key)] if key else []
        assert cli.main(["evidence", "verify", str(out), *named]) == 0
        assert words in capsys.readouterr().out
        assert cli.main(["evidence", "verify", str(out), *named, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"ok": True, "problems": [], "signature": signature}
    assert cli.main(["evidence", "verify", str(out), "--public-key", str(other.public), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False and NOT_BY_THIS_KEY in told["problems"][0]
    assert cli.main(["evidence", "verify", str(out), "--sign-with", str(keys.private)]) == 1
    assert cli.main(["evidence", "adapter_checkpoint-1", "--public-key", str(keys.public)]) == 1
    assert capsys.readouterr().err.count("are for writing a pack") == 2
    left = b"".join(path.read_bytes() for path in (*out.rglob("*"), out.with_name("pack.zip")) if path.is_file())
    assert keys.secret not in left + (shown + caplog.text).encode()

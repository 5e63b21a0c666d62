"""Signatures of models: made here, verified here and by the command of OpenSSF, over rotation, loss and theft of the
key."""

import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ft_platform import cli
from ft_platform.errors import CorruptVersion, KeyMissing, MissingExtra, VersionRefused
from ft_platform.lake.signing.certificates import certificates, model_key
from ft_platform.lake.signing.keys import SigningKeys
from ft_platform.lake.signing.models import sign_model, verify_model
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.use_case.settings.environment import Environment

NO_NETWORK = (
    "import socket, sys; socket.socket.connect = socket.getaddrinfo = lambda *a, **k: sys.exit('the network was"
    " asked'); "
)
COMMAND = NO_NETWORK + "sys.argv[0] = 'model_signing'; from model_signing._cli import main; main()"


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    return signing_keys_of(Environment(home=tmp_path / "home"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "more").mkdir(parents=True)
    (folder / "adapter.safetensors").write_bytes(bytes(range(256)))
    (folder / "more" / "card.md").write_text("# A card")
    return folder


def exported(home: Path, to: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FT_HOME", str(home))
        assert cli.main(["seals", "certificates", str(to)]) == 0
    return to / "roots.pem"


def by_openssf(model: Path, signature: Path, roots: Path, *options: str, module: bool = False) -> tuple[bool, str]:
    """Whether `python -m model_signing verify certificate` accepts it, and what it said. `module`: as a person starts
    it, with a network."""
    start = ["-m", "model_signing"] if module else ["-c", COMMAND]
    command = [
        sys.executable,
        *start,
        "verify",
        "certificate",
        "--certificate_chain",
        str(roots),
        "--signature",
        str(signature),
        *options,
        str(model),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "network" not in done.stderr
    return done.returncode == 0, done.stdout + done.stderr


def flip(folder: Path) -> None:
    file = folder / "adapter.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")


CHANGES: dict[str, tuple[Callable[[Path], object], tuple[str, ...], str]] = {
    "a flipped byte": (flip, (), "Hash mismatch for 'adapter.safetensors'"),
    "an added file": (
        lambda folder: (folder / "more" / "code.py").write_text("x"),
        (),
        "Extra files found in model 'model': more/code.py",
    ),
    "an added hidden file": (lambda folder: (folder / ".env").write_text("x"), (), "Extra files"),
    # Git's own files are looked at only when asked for.
    "an added git file": (
        lambda folder: (folder / ".gitattributes").write_text("x"),
        ("--no-ignore-git-paths",),
        "Extra files",
    ),
    "a deleted file": (lambda folder: (folder / "more" / "card.md").unlink(), (), "Missing files"),
    "a link": (lambda folder: (folder / "link").symlink_to(folder / "more" / "card.md"), (), "symlink"),
}


@pytest.mark.integration
@pytest.mark.parametrize("inside", [True, False])
def test_an_intact_model_verifies_here_and_with_the_command_of_openssf(keys, model, tmp_path, inside):
    signature = (model if inside else tmp_path) / "model.sig"
    assert sign_model(model, signature, keys).key_id == keys.newest
    assert verify_model(model, signature, keys).key_id == keys.newest
    roots = exported(tmp_path / "home", tmp_path / "public")
    found = by_openssf(model, signature, roots, *["--no-ignore-git-paths"] * inside, module=inside)
    assert found == (True, "Verification succeeded\n")
    moved = shutil.copytree(model, tmp_path / "another name")
    assert verify_model(moved, moved / "model.sig" if inside else signature, keys)


@pytest.mark.integration
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_refused_here_and_by_the_command_of_openssf(keys, model, tmp_path, change):
    sign_model(model, tmp_path / "model.sig", keys)
    how, options, words = CHANGES[change]
    how(model)
    with pytest.raises(CorruptVersion, match=words):
        verify_model(model, tmp_path / "model.sig", keys)
    accepted, said = by_openssf(
        model, tmp_path / "model.sig", exported(tmp_path / "home", tmp_path / "public"), *options
    )
    assert not accepted and words in said
    roots = tmp_path / "public/roots.pem"
    if options:
        assert by_openssf(model, tmp_path / "model.sig", roots)[0], "without the option it is not noticed"
    if change == "an added file":
        signature = tmp_path / "model.sig"
        assert by_openssf(model, signature, roots, "--ignore_unsigned_files")[0], "what the documentation warns of"


@pytest.mark.integration
def test_a_signature_of_another_installation_is_refused(keys, model, tmp_path):
    sign_model(model, tmp_path / "model.sig", keys)
    other = signing_keys_of(Environment(home=tmp_path / "other"))
    with pytest.raises(CorruptVersion, match="a key that this installation does not know"):
        verify_model(model, tmp_path / "model.sig", other)
    assert other.newest
    accepted, said = by_openssf(model, tmp_path / "model.sig", exported(tmp_path / "other", tmp_path / "public"))
    assert not accepted and "self-signed certificate in certificate chain" in said


def test_a_certificate_borrowed_from_a_good_signature_does_not_help(keys, model, tmp_path):
    sign_model(model, tmp_path / "model.sig", keys)
    flip(model)
    sign_model(model, tmp_path / "forged.sig", signing_keys_of(Environment(home=tmp_path / "other")))
    good, forged = (json.loads((tmp_path / name).read_text()) for name in ("model.sig", "forged.sig"))
    forged["verificationMaterial"] = good["verificationMaterial"]
    (tmp_path / "forged.sig").write_text(json.dumps(forged))
    with pytest.raises(CorruptVersion, match="is not what was signed"):
        verify_model(model, tmp_path / "forged.sig", keys)


@pytest.mark.integration
def test_old_and_new_signatures_verify_after_rotation_and_loss_of_the_key(keys, model, tmp_path):
    sign_model(model, tmp_path / "1.sig", keys)
    keys.rotate()
    sign_model(model, tmp_path / "2.sig", keys)
    (tmp_path / "home/vault/signing.key").unlink()
    lost = signing_keys_of(Environment(home=tmp_path / "home"))
    with pytest.raises(KeyMissing, match=r"is not in .* any more"):
        sign_model(model, tmp_path / "3.sig", lost)
    lost.rotate()
    sign_model(model, tmp_path / "3.sig", lost)
    assert [verify_model(model, tmp_path / f"{number}.sig", lost).version for number in (1, 2, 3)] == [1, 2, 3]
    roots = exported(tmp_path / "home", tmp_path / "public")
    assert all(by_openssf(model, tmp_path / f"{number}.sig", roots)[0] for number in (1, 2, 3))
    assert len(x509.load_pem_x509_certificates(roots.with_name("signers.pem").read_bytes())) == 3


def test_nothing_that_a_stolen_key_signed_counts_and_its_root_is_not_handed_out(
    keys, model, tmp_path, monkeypatch, capsys
):
    sign_model(model, tmp_path / "1.sig", keys)
    earlier = exported(tmp_path / "home", tmp_path / "earlier")
    thief, stolen = signing_keys_of(Environment(home=tmp_path / "home")), keys.newest
    sign_model(model, tmp_path / "thief.sig", thief)
    keys.report_stolen(stolen, "2999-01-01T00:00:00+00:00", {})
    with pytest.raises(KeyMissing, match="was reported stolen"):
        sign_model(model, tmp_path / "2.sig", keys)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    assert cli.main(["seals", "certificates", str(tmp_path / "none")]) == 1 and not (tmp_path / "none").exists()
    assert "no signing key of this installation has certificates that can be trusted" in capsys.readouterr().err
    keys.rotate()
    sign_model(model, tmp_path / "2.sig", keys)
    roots = exported(tmp_path / "home", tmp_path / "earlier")
    for name in ("1.sig", "thief.sig"):
        with pytest.raises(CorruptVersion, match=f"signed by a key that was stolen .{stolen}.*Sign the model again"):
            verify_model(model, tmp_path / name, keys)
        assert not by_openssf(model, tmp_path / name, roots)[0]
    assert earlier == roots and verify_model(model, tmp_path / "2.sig", keys).version == 2
    assert by_openssf(model, tmp_path / "2.sig", roots)[0]


def test_public_keys_from_before_there_were_certificates_get_them(keys, model, tmp_path):
    file = tmp_path / "home/seals/keys.json"
    assert keys.newest
    found = json.loads(file.read_text())
    file.write_text(
        json.dumps(
            {
                "keys": [
                    {name: value for name, value in one.items() if name not in ("root", "leaf")}
                    for one in found["keys"]
                ]
            }
        )
    )
    later = signing_keys_of(Environment(home=tmp_path / "home"))
    sign_model(model, tmp_path / "model.sig", later)
    assert verify_model(model, tmp_path / "model.sig", later)
    assert json.loads(file.read_text()) == found, "the same secret gives the same certificates"


def test_the_model_key_is_hkdf_of_the_secret_with_a_purpose_of_its_own():
    """By hand: RFC 5869, two blocks of SHA-256, and a number in [1, n-1] as of FIPS 186-5, A.2.1."""
    secret = bytes(range(32))
    extracted, info = hmac.digest(bytes(32), secret, hashlib.sha256), b"ft_platform model signatures P-256 v1"
    one = hmac.digest(extracted, info + b"\x01", "sha256")
    candidate = (one + hmac.digest(extracted, one + info + b"\x02", "sha256"))[:48]
    order = 2**256 - 2**224 + 2**192 - 0x4319055258E8617B0C46353D039CDAAF
    assert model_key(secret).private_numbers().private_value == int.from_bytes(candidate, "big") % (order - 1) + 1
    assert isinstance(model_key(secret).curve, ec.SECP256R1)


def test_the_certificates_hold_in_openssls_strict_mode_and_name_no_host_or_person():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from OpenSSL import crypto

    made = certificates(3, "0a1b2c3d4e5f6a7b", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    root, leaf = (x509.load_pem_x509_certificate(text.encode()) for text in made)
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    store.add_cert(crypto.X509.from_cryptography(root))
    crypto.X509StoreContext(store, crypto.X509.from_cryptography(leaf)).verify_certificate()
    assert root.subject.rfc4514_string() == "CN=signing key 0a1b2c3d4e5f6a7b\\, version 3,O=ft_platform installation"
    found = leaf.subject.rfc4514_string()
    assert found == "CN=models signed by 0a1b2c3d4e5f6a7b\\, version 3,O=ft_platform installation"
    text = "".join(made) + root.subject.rfc4514_string() + leaf.subject.rfc4514_string()
    assert socket.gethostname() not in text and os.environ.get("USER", "root") not in text
    for one in (root, leaf):
        found = (one.not_valid_before_utc.isoformat(), one.not_valid_after_utc.isoformat())
        assert found == ("2026-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00")
    assert root.serial_number != leaf.serial_number
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_private_key_lies_on_no_disk_while_a_model_is_signed(keys, model, tmp_path, monkeypatch):
    import model_signing

    seen = []
    original = model_signing.signing.Config.sign

    def look(config, *arguments):
        seen.extend(path for path in (tmp_path / "temporary").rglob("*") if path.is_file())
        assert not any(b"PRIVATE" in path.read_bytes() for path in seen)
        return original(config, *arguments)

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(model_signing.signing.Config, "sign", look)
    sign_model(model, tmp_path / "model.sig", keys)
    assert sorted(path.name for path in seen) == ["leaf.pem", "root.pem"]
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"verificationMaterial": {"x509CertificateChain": {"certificates": [{"rawBytes": "?"}]}}}',
    ],
)
def test_what_is_no_signature_is_refused_in_one_line(keys, model, tmp_path, content):
    if content is not None:
        (tmp_path / "model.sig").write_bytes(content)
    with pytest.raises(CorruptVersion, match="is no signature of a model with a certificate"):
        verify_model(model, tmp_path / "model.sig", keys)


def test_a_folder_with_a_link_or_none_at_all_is_not_signed(keys, model, tmp_path):
    (model / "link").symlink_to("/etc/hostname")
    for folder in (model, tmp_path / "nothing"):
        with pytest.raises(VersionRefused, match="cannot be signed"):
            sign_model(folder, tmp_path / "model.sig", keys)
    assert not (tmp_path / "model.sig").exists()


def test_without_the_package_the_extra_is_named(keys, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "model_signing", None)
    for act in (sign_model, verify_model):
        with pytest.raises(MissingExtra, match=r"ft-platform\[signing\]"):
            act(model, tmp_path / "model.sig", keys)

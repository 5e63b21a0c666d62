"""Signatures of model folders in OpenSSF's format (a Sigstore bundle), made and verified with the package
`model-signing`.

Covered: every file of the folder, hidden ones too; a file that was changed, added or taken away; a signature of another
installation, and of a key that was stolen. Not covered: when it was signed (so nothing that a stolen key signed counts,
earlier models neither), and that the folder is the model that somebody asked for: the signature of another model of
this installation is good for that other folder.
"""

import base64
import json
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import CorruptVersion, MissingExtra, VersionRefused
from ft_platform.errors.printable import printable
from ft_platform.lake.files import write_bytes
from ft_platform.lake.signing.keys import PublicKey, SigningKeys

MOST_BYTES = 50_000_000
"""Of a bundle: about 200 for each file of the folder."""


def sign_model(folder: Path, signature: Path, keys: SigningKeys) -> PublicKey:
    """Writes the signature of every file of a folder, and returns the key that signed. The bundle carries the
    certificates of the key.

    Args:
        signature: file of the bundle, e.g. `model.sig`; where it lies in the folder, it is not part of what is signed.

    Raises:
        MissingExtra: `model-signing` is not installed.
        KeyMissing: the signing key is lost or was reported stolen.
        VersionRefused: the folder cannot be signed: it is not there, or holds a symbolic link.
    """
    model_signing = _package()
    private, key = keys.model_signer()
    with TemporaryDirectory() as work, _readable(private) as private_path:
        root = _written(Path(work, "root.pem"), key.root)
        leaf = _written(Path(work, "leaf.pem"), key.leaf)
        made = Path(work, "model.sig")
        config = model_signing.signing.Config().use_certificate_signer(
            private_key=private_path, signing_certificate=leaf, certificate_chain=[root]
        )
        try:
            config.set_hashing_config(_hashing(model_signing, folder, signature)).sign(folder, made)
        except (ValueError, OSError) as error:
            raise VersionRefused(f"{folder} cannot be signed ({_short(error)})") from None
        write_bytes(LocalFileSystem(), str(signature), made.read_bytes())
    return key


def verify_model(folder: Path, signature: Path, keys: SigningKeys) -> PublicKey:
    """The key of this installation that signed exactly the files of this folder. Reads the public keys only.

    Raises:
        MissingExtra: `model-signing` is not installed.
        CorruptVersion: the folder is not what was signed, no key of this installation signed it, or one that was
            stolen.
    """
    model_signing = _package()
    key = _signer(signature, keys)
    if key.stolen_since:
        problem = f"{signature} was signed by a key that was stolen ({key.key_id})"
        raise CorruptVersion(problem, "Sign the model again with the newest key")
    with TemporaryDirectory() as work:
        config = model_signing.verifying.Config().use_certificate_verifier(
            certificate_chain=[_written(Path(work, "root.pem"), key.root)]
        )
        try:
            config.set_hashing_config(_hashing(model_signing, folder, signature)).verify(folder, signature)
        # Of model_signing, OpenSSL, cryptography and pydantic: whatever it is, it does not verify.
        except Exception as error:
            remedy = "Take the folder and its signature again from where they were released"
            raise CorruptVersion(f"{folder} is not what was signed ({_short(error)})", remedy) from None
    return key


def _signer(signature: Path, keys: SigningKeys) -> PublicKey:
    """The key whose certificate the bundle shows. That it really signed is for the caller to verify."""
    try:
        if signature.stat().st_size > MOST_BYTES:
            raise ValueError
        chain = json.loads(signature.read_bytes())["verificationMaterial"]["x509CertificateChain"]["certificates"]
        leaf = base64.b64decode(chain[0]["rawBytes"], validate=True)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise CorruptVersion(
            f"{signature} is no signature of a model with a certificate ({type(error).__name__})"
        ) from None
    for key in keys.public.values():
        if key.leaf and ssl.PEM_cert_to_DER_cert(key.leaf) == leaf:
            return key
    raise CorruptVersion(
        f"{signature} was signed by a key that this installation does not know", "Its keys are shown by: ft seals keys"
    )


def _hashing(model_signing: Any, folder: Path, signature: Path) -> Any:
    """Every file but the signature itself. Left to itself the package leaves out `.git`, `.gitattributes`, `.github`
    and `.gitignore`."""
    own = signature.resolve()
    ignored = [own.relative_to(folder.resolve())] if own.is_relative_to(folder.resolve()) else []
    return model_signing.hashing.Config().set_ignored_paths(paths=ignored, ignore_git_paths=False)


def _package() -> Any:
    try:
        import model_signing
    except ImportError:
        raise MissingExtra("model-signing, which signs and verifies models,", "signing") from None
    return model_signing


@contextmanager
def _readable(private: bytes) -> Iterator[Path]:
    """A path from which a private key can be read once. It is a pipe: the package takes a path only, and keys that KMS
    keeps lie on no disk."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(private)
        yield Path(f"/dev/fd/{reading}")
    finally:
        os.close(reading)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _short(error: Exception) -> str:
    return printable(str(error))[:300] or type(error).__name__

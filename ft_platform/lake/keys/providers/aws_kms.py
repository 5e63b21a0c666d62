"""Keys in a file that AWS KMS has encrypted: `aws_kms:<key id, ARN or alias>`. Without `kms:Decrypt` the file is worth
nothing."""

import base64
import binascii
from pathlib import Path

from ft_platform.errors import KeyMissing
from ft_platform.lake.keys.providers import need_argument
from ft_platform.lake.keys.providers.aws_secrets_manager import aws_client, aws_failure
from ft_platform.lake.keys.providers.file import FileKeys

CONTEXT = {"application": "ft_platform", "content": "key ring"}
"""Encryption context: bound to the ciphertext and shown in CloudTrail, so that a policy can ask for it."""

LARGEST = 4096
"""Bytes that KMS encrypts directly (AWS KMS API Reference, Encrypt): about 35 versions of a key."""


class KmsKeys:
    """The file holds the ciphertext in base64; only the key ring in memory is plain."""

    def __init__(self, key_id: str, path: Path) -> None:
        self.where = f"{path}, encrypted by the KMS key {key_id}"
        self._key_id = key_id
        self._file = FileKeys(path)
        self._client = aws_client("kms")

    def read(self) -> str | None:
        text = self._file.read()
        if text is None:
            return None
        try:
            sealed = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise KeyMissing(
                f"{self.where}: the file is not base64",
                "Encrypt a plain key file once with: ft keys copy --to aws_kms:<key id>",
            ) from None
        try:
            return self._client.decrypt(CiphertextBlob=sealed, KeyId=self._key_id, EncryptionContext=CONTEXT)[
                "Plaintext"
            ].decode("utf-8")
        except Exception as error:
            raise aws_failure(error, self.where) from None

    def write(self, text: str) -> None:
        plain = text.encode()
        if len(plain) > LARGEST:
            problem = f"a key ring of {len(plain)} bytes is larger than KMS encrypts ({LARGEST})"
            raise KeyMissing(problem, "Retire old versions with: ft keys retire <version>")
        try:
            sealed = self._client.encrypt(KeyId=self._key_id, Plaintext=plain, EncryptionContext=CONTEXT)[
                "CiphertextBlob"
            ]
        except Exception as error:
            raise aws_failure(error, self.where) from None
        self._file.write(base64.b64encode(sealed).decode() + "\n")


def provider(argument: str, file: Path, variable: str) -> KmsKeys:
    return KmsKeys(need_argument("aws_kms", argument, "key id"), file)

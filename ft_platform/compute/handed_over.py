"""Variables of a program, handed over through the lake: for schedulers that show a job's variables to whoever may see
the job.

Encrypted content lies in the folder of the launch, the key goes with the job. Neither tells anything without the other,
and the content goes when the job takes it.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from ft_platform.lake import files
from ft_platform.lake.launches import FOLDER
from ft_platform.lake.places import Places

NONCE_BYTES = 12


def hand_over(lake: Places, use_case: str, job_name: str, variables: Mapping[str, str]) -> str:
    """The key with which the job takes them. After another call for the same job it is of no use."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, nonce = AESGCM.generate_key(256), secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, json.dumps(dict(variables)).encode(), job_name.encode())
    with lake.room_for(f"the variables of {job_name}"):
        files.write_bytes(lake.fs, _place(lake, use_case, job_name), nonce + sealed)
    return urlsafe_b64encode(key).decode()


def take(lake: Places, use_case: str, job_name: str, key: str) -> dict[str, str]:
    """What was handed over to this job, once.

    Raises:
        FileNotFoundError: nothing lies there: it was taken, or this is another lake.
        InvalidTag: the key is not that of the content.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    place = _place(lake, use_case, job_name)
    content = files.read_bytes(lake.fs, place)
    plain = AESGCM(urlsafe_b64decode(key)).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], job_name.encode())
    lake.fs.rm(place)
    variables: dict[str, str] = json.loads(plain)
    return variables


def _place(lake: Places, use_case: str, job_name: str) -> str:
    """In the folder of the launch, which goes with all that is in it."""
    return lake.path_of("shared", use_case, FOLDER, job_name.rpartition("-")[0], f"{job_name}.sealed")

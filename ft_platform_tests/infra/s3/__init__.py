"""A real S3 server with roles and policies: SeaweedFS. `scripts/install_clients.sh FOLDER` installs it,
`FT_TEST_CLIENTS` names the folder."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ft_platform_tests.serving.clients import FOLDER
from ft_platform_tests.web.server import free_port

WEED = FOLDER / "bin" / "weed"
ADMIN = {"accessKey": "administrator", "secretKey": "not-a-real-secret"}
SIGNING_KEY = base64.b64encode(b"not a real key of some 32 letters").decode()
STARTS, START_SECONDS = 4, 60.0
ANYBODY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["sts:AssumeRole"]}]}


@dataclass(frozen=True)
class S3Server:
    """The server, and who asks it."""

    address: str
    account: str

    def client(self, service: str, key: str, secret: str, token: str | None = None) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.address,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}),
        )

    def administrator(self, service: str = "s3") -> Any:
        return self.client(service, *ADMIN.values())

    def credentials(self, role: str) -> tuple[str, str, str]:
        """Of a session of a role, which has the name of the role."""
        arn = f"arn:aws:iam::{self.account}:role/{role}"
        found = self.administrator("sts").assume_role(RoleArn=arn, RoleSessionName=role)["Credentials"]
        return found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]

    def as_role(self, role: str) -> Any:
        return self.client("s3", *self.credentials(role))


@contextmanager
def s3_server(folder: Path, account: str, roles: Mapping[str, dict[str, Any]]) -> Iterator[S3Server]:
    """A server that holds nothing, with roles: name -> policy."""
    (folder / "data").mkdir(parents=True)
    identity = {"name": "administrator", "credentials": [ADMIN], "actions": ["Admin"]}
    # A key is there as soon as somebody names it.
    kms = {"default_provider": "local", "providers": {"local": {"type": "local", "enableOnDemandCreate": True}}}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity], "kms": kms}))
    policies = [{"name": name, "document": policy} for name, policy in roles.items()]
    arns = {name: f"arn:aws:iam::{account}:role/{name}" for name in roles}
    known = [
        {"roleName": name, "roleArn": arn, "trustPolicy": ANYBODY, "attachedPolicies": [name]}
        for name, arn in arns.items()
    ]
    sts = {"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "tests", "signingKey": SIGNING_KEY}
    iam = {"sts": sts, "policy": {"defaultEffect": "Deny", "storeType": "memory"}, "roles": known, "policies": policies}
    (folder / "iam.json").write_text(json.dumps(iam))
    for _ in range(STARTS):
        with _started(folder, account) as server:
            if server:
                yield server
                return
    raise AssertionError(f"SeaweedFS did not start: {(folder / 'log').read_text()[-2000:]}")


@contextmanager
def _started(folder: Path, account: str) -> Iterator[S3Server | None]:
    """None where it ended by itself: somebody else took one of its ports meanwhile."""
    ports = {name: free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    ports |= {f"{name}.grpc": free_port() for name in list(ports)}
    command = [
        *(str(WEED), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"),
        *(f"-{name}={port}" for name, port in ports.items()),
        *(f"-s3.config={folder / 's3.json'}", f"-s3.iam.config={folder / 'iam.json'}", "-volume.max=20"),
        *("-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    server = S3Server(f"http://127.0.0.1:{ports['s3.port']}", account)
    try:
        yield server if _answers(server, process) else None
    finally:
        process.kill()  # what it holds goes with its folder; asked to end, it takes half a minute
        process.wait(timeout=30)


def _answers(server: S3Server, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            server.administrator().create_bucket(Bucket="example-lake")
            return True
        except (BotoCoreError, ClientError):
            time.sleep(0.25)
    return False

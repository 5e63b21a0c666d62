"""Becomes a program whose variables lie in a store of secrets: `python -m ft_platform.programs.with_secret <reference>
<module> [arguments]`. What starts it (the request of a job, a command line) then names a secret and holds none.

A reference is an ARN of AWS Secrets Manager, the name of a version in Google's Secret Manager (`projects/...`), or the
URL of a secret in Azure's Key Vault. The process keeps its id, so each signal reaches the program.
"""

import base64
import json
import os
import sys
from typing import Any

LATER = (429, 500, 502, 503, 504)


def from_aws(arn: str) -> str:
    import boto3

    client = boto3.client("secretsmanager", region_name=arn.split(":")[3])  # a container need not know its region
    return str(client.get_secret_value(SecretId=arn)["SecretString"])


def from_google(version: str) -> str:
    import google.auth
    from google.auth.transport.requests import Request

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    credentials.refresh(Request())
    address = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "https://secretmanager.googleapis.com")
    found = _get(f"{address.rstrip('/')}/v1/{version}:access", str(credentials.token))
    return base64.b64decode(found["payload"]["data"]).decode()


def from_azure(url: str) -> str:
    from azure.identity import DefaultAzureCredential  # pyright: ignore[reportMissingImports]

    # A cluster with one managed identity says which.
    credentials = DefaultAzureCredential(managed_identity_client_id=os.environ.get("DEFAULT_IDENTITY_CLIENT_ID"))
    return str(_get(f"{url}?api-version=7.4", credentials.get_token("https://vault.azure.net/.default").token)["value"])


def _get(url: str, token: str) -> dict[str, Any]:
    """An answer of JSON; asked again a few times."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=Retry(5, backoff_factor=1, status_forcelist=LATER)))
        answer = session.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


READERS = {"arn:": from_aws, "projects/": from_google, "http": from_azure}
"""Beginning of a reference -> what reads it."""


def main(reference: str, module: str, *arguments: str) -> None:
    read = next(read for beginning, read in READERS.items() if reference.startswith(beginning))
    variables: dict[str, str] = json.loads(read(reference))
    words = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, words, {**os.environ, **variables})


if __name__ == "__main__":
    main(*sys.argv[1:])

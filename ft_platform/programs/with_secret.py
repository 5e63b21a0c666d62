"""Becomes a program whose variables lie in a store of secrets: `python -m ft_platform.programs.with_secret <reference>
<module> [arguments]`. What starts it (the request of a job, a command line) then names a secret and holds none.

A reference is an ARN of AWS Secrets Manager, or the name of a version in Google's Secret Manager (`projects/...`). The
process keeps its id, so each signal reaches the program.
"""

import base64
import json
import os
import sys


def from_aws(arn: str) -> str:
    import boto3

    client = boto3.client("secretsmanager", region_name=arn.split(":")[3])  # a container need not know its region
    return str(client.get_secret_value(SecretId=arn)["SecretString"])


def from_google(version: str) -> str:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = AuthorizedSession(credentials)
    retry = Retry(5, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    address = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "https://secretmanager.googleapis.com")
    answer = session.get(f"{address.rstrip('/')}/v1/{version}:access", timeout=60)
    answer.raise_for_status()
    return base64.b64decode(answer.json()["payload"]["data"]).decode()


READERS = {"arn:": from_aws, "projects/": from_google}
"""Beginning of a reference -> what reads it."""


def main(reference: str, module: str, *arguments: str) -> None:
    read = next(read for beginning, read in READERS.items() if reference.startswith(beginning))
    variables: dict[str, str] = json.loads(read(reference))
    words = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, words, {**os.environ, **variables})


if __name__ == "__main__":
    main(*sys.argv[1:])

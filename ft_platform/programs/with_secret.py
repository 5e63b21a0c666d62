"""Becomes a program whose variables lie in AWS Secrets Manager: `python -m ft_platform.programs.with_secret <ARN>
<module> [arguments]`. What starts it (the request of a job, a command line) then names a secret and holds none.

The process keeps its id, so each signal reaches the program.
"""

import json
import os
import sys


def main(arn: str, module: str, *arguments: str) -> None:
    import boto3

    client = boto3.client("secretsmanager", region_name=arn.split(":")[3])  # a container need not know its region
    variables: dict[str, str] = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    words = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, words, {**os.environ, **variables})


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Keys in AWS Secrets Manager: `aws_secrets_manager:<name or ARN of the secret>`. Access is a matter of IAM, each read
is in CloudTrail."""

from pathlib import Path
from typing import Any

from ft_platform.errors import KeyMissing, MissingExtra, TransientError
from ft_platform.lake.keys.providers import need_argument

TRANSIENT = {
    "ThrottlingException",
    "InternalServiceError",
    "InternalServiceErrorException",
    "KMSInternalException",
    "RequestLimitExceeded",
}


class SecretsManagerKeys:
    """One secret whose text is the key ring. Credentials and region come from boto3's usual places."""

    def __init__(self, secret: str) -> None:
        self.where = f"the secret {secret} of AWS Secrets Manager"
        self._secret = secret
        self._client = aws_client("secretsmanager")

    def read(self) -> str | None:
        try:
            return self._client.get_secret_value(SecretId=self._secret)["SecretString"]
        except self._client.exceptions.ResourceNotFoundException:
            return None
        except Exception as error:
            raise aws_failure(error, self.where) from None

    def write(self, text: str) -> None:
        try:
            try:
                self._client.put_secret_value(SecretId=self._secret, SecretString=text)
            except self._client.exceptions.ResourceNotFoundException:
                self._client.create_secret(Name=self._secret, SecretString=text)
        except Exception as error:
            raise aws_failure(error, self.where) from None


def aws_client(service: str) -> Any:
    try:
        import boto3
    except ImportError:
        raise MissingExtra("boto3", "aws") from None
    try:
        return boto3.client(service)
    except Exception as error:
        raise aws_failure(error, f"AWS {service}") from None


def aws_failure(error: Exception, where: str) -> KeyMissing | TransientError:
    """The typed form of a boto3 error: its code, never its message, which may quote the request."""
    code = getattr(error, "response", {}).get("Error", {}).get("Code") or type(error).__name__
    if code in TRANSIENT or code in ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError"):
        return TransientError(f"{where} cannot be reached now ({code})", "Run the step again")
    return KeyMissing(
        f"{where} cannot be used ({code})",
        "Check the name, the region and the permissions of this role; there is no fallback",
    )


def provider(argument: str, file: Path, variable: str) -> SecretsManagerKeys:
    return SecretsManagerKeys(need_argument("aws_secrets_manager", argument, "secret id"))

"""The file system of a place: a local disk or an object store."""

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import fsspec
from fsspec.registry import known_implementations

from ft_platform.errors import LakeUnreachable, MissingExtra, TransientError
from ft_platform.lake.files import code_of

EXTRAS = {"s3fs": "aws", "adlfs": "azure", "gcsfs": "gcp"}
"""Package of a file system -> extra that brings it."""

BUSY = (errno.EBUSY, errno.EREMOTEIO, errno.EIO)
"""What s3fs makes of the answers 503, 500 and others that it does not know."""
NO_ANSWER = {
    *("ConnectionError", "TimeoutError", "HTTPClientError"),  # Python's own, botocore's
    *("ClientConnectionError", "ClientPayloadError"),  # aiohttp's, below gcsfs
    *("ServiceRequestError", "ServiceResponseError"),  # of the client for Azure
}
NO_CREDENTIALS = {
    *("NoCredentialsError", "ClientAuthenticationError"),  # botocore's, azure-core's
    *("RefreshError", "DefaultCredentialsError"),  # google-auth's
}
SERVER_SAYS = (
    *("status code: 5", "status code: 429", "error sending request", "Server returned error response"),
    *("429 Too Many Requests", "500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"),
    "504 Gateway Timeout",
)
"""Of object_store, which is below deltalake, after its ten tries."""
REFUSALS = (
    *("401 Unauthorized", "403 Forbidden", "Forbidden: ", "AccessDenied", "Access Denied", "ExpiredToken"),
    "<Code>KMS.",
)
"""Of object_store, and of gcsfs. `KMS.`: a key that is switched off, unknown or of another account."""


def out_of_reach(error: BaseException) -> bool:
    """Whether a store did not answer or asked for patience, so that the same request may work later. Clients have no
    common type for that, and only some of theirs are an `OSError`."""
    if isinstance(error, LakeUnreachable) or (isinstance(error, OSError) and error.errno in BUSY):
        return True
    if isinstance(error, RuntimeError) and error.__cause__:  # adlfs makes it of whatever happened when it removed files
        return out_of_reach(error.__cause__)
    status = _status(error)
    if status in (408, 429) or status >= 500:
        return True
    return not NO_ANSWER.isdisjoint(kind.__name__ for kind in type(error).__mro__) or any(
        words in str(error) for words in SERVER_SAYS
    )


def passes(error: BaseException) -> bool:
    """Whether the same may work later: the lake is out of reach, or its disk fails or is full just now."""
    return isinstance(error, (OSError, TransientError)) or out_of_reach(error)


@contextmanager
def if_reached() -> Iterator[None]:
    """Leaves undone what the lake cannot do just now: for tidying up, where what is left behind harms nobody, and what
    was done before counts all the same."""
    try:
        yield
    except Exception as error:
        if not passes(error):
            raise


def refused(error: BaseException) -> bool:
    """Whether a store knows who asks and refuses, or does not know: credentials that are missing, wrong or expired."""
    if isinstance(error, RuntimeError) and error.__cause__:
        return refused(error.__cause__)
    if (
        _status(error) in (401, 403)
        or code_of(error).startswith("KMS.")
        or not NO_CREDENTIALS.isdisjoint(kind.__name__ for kind in type(error).__mro__)
    ):
        return True
    return isinstance(error, PermissionError) or any(words in str(error) for words in REFUSALS)


def _status(error: BaseException) -> int:
    """HTTP status in an error of the clients for Azure and Google Cloud; 0: there is none."""
    if type(error).__module__.partition(".")[0] not in ("azure", "gcsfs"):
        return 0
    found = str(getattr(error, "status_code", None) or getattr(error, "code", None) or "")
    return int(found) if found.isdigit() else 0


def filesystem(uri: str, options: dict[str, Any] | None = None) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URI and the path in it.

    Raises:
        MissingExtra: the protocol's package is not installed.
    """
    try:
        if uri.partition("://")[0] in AZURE:
            from ft_platform.lake.azure_blobs import opened

            return opened(uri, options or {})
        if options and "zone_keys" in options:
            from ft_platform.lake.keyed_s3 import opened as opened_with_keys

            return opened_with_keys(uri, options)
        return fsspec.core.url_to_fs(uri, **(options or {}))
    except ImportError as error:
        raise _missing_package(uri.split("://", 1)[0], error) from error


def _missing_package(protocol: str, error: ImportError) -> MissingExtra:
    """Names the package of a protocol from fsspec's own table, or the one that fsspec's own implementation needs."""
    package = known_implementations[protocol]["class"].split(".")[0]
    if package == "fsspec":
        package = (error.__cause__.name if isinstance(error.__cause__, ImportError) else error.name) or protocol
    what = f"{package}, which reads {protocol}://,"
    return MissingExtra(what, extra=EXTRAS[package]) if package in EXTRAS else MissingExtra(what, install=package)


def fsspec_options(uri: str, storage_options: Mapping[str, str]) -> dict[str, Any]:
    """Options of `filesystem` for a URI, from credentials and endpoint in deltalake's names (`AWS_ENDPOINT_URL`,
    `AZURE_STORAGE_ACCOUNT_KEY`, ...). Where they name no secret, each client finds the identity of its machine or pod
    by itself."""
    made = TRANSLATED.get(uri.partition("://")[0])
    # What another process wrote since a listing is there.
    return {"use_listings_cache": False, **made(uri, storage_options)} if made else {}


def _s3(uri: str, given: Mapping[str, str]) -> dict[str, Any]:
    client = {"endpoint_url": given.get("AWS_ENDPOINT_URL"), "region_name": given.get("AWS_REGION")}
    options: dict[str, Any] = {"client_kwargs": {k: v for k, v in client.items() if v}}
    if key := given.get("AWS_ACCESS_KEY_ID"):
        options |= {
            "key": key,
            "secret": given.get("AWS_SECRET_ACCESS_KEY"),
            "token": given.get("AWS_SESSION_TOKEN"),
        }
    return options


def _azure(uri: str, given: Mapping[str, str]) -> dict[str, Any]:
    """adlfs takes an endpoint with `http://`, as that of an emulator, only in a connection string."""
    account, key = given.get("AZURE_STORAGE_ACCOUNT_NAME"), given.get("AZURE_STORAGE_ACCOUNT_KEY")
    sas, endpoint = given.get("AZURE_STORAGE_SAS_TOKEN"), given.get("AZURE_STORAGE_ENDPOINT")
    if endpoint and (key or sas):
        secret = f"AccountName={account};AccountKey={key}" if key else f"SharedAccessSignature={sas}"
        return {"connection_string": f"BlobEndpoint={endpoint};{secret}"}
    options = {"account_key": key, "sas_token": sas, "account_host": endpoint and endpoint.partition("://")[2]}
    if "@" not in uri:  # otherwise adlfs takes the account from there
        options["account_name"] = account
    return {name: value for name, value in options.items() if value}


def _gcs(uri: str, given: Mapping[str, str]) -> dict[str, Any]:
    emulator = given.get("STORAGE_EMULATOR_HOST")
    return {"endpoint_url": emulator, "token": "anon"} if emulator else {}


AZURE = ("abfss", "abfs", "az")
TRANSLATED: Mapping[str, Callable[[str, Mapping[str, str]], dict[str, Any]]] = {
    "s3": _s3,
    **dict.fromkeys(AZURE, _azure),
    **dict.fromkeys(("gs", "gcs"), _gcs),
}
"""Protocol -> options of its file system."""

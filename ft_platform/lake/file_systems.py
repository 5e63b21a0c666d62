"""The file system of a place: a local disk or an object store."""

import errno
from typing import Any

import fsspec
from fsspec.registry import known_implementations

from ft_platform.errors import LakeUnreachable, MissingExtra

EXTRAS = {"s3fs": "aws", "adlfs": "azure", "gcsfs": "gcp"}
"""Package of a file system -> extra that brings it."""

BUSY = (errno.EBUSY, errno.EREMOTEIO, errno.EIO)
"""What s3fs makes of the answers 503, 500 and others that it does not know."""
NO_ANSWER = {
    *("ConnectionError", "TimeoutError", "HTTPClientError"),  # Python's own, botocore's
    *("ClientConnectionError", "ClientPayloadError"),  # aiohttp's, below gcsfs
    *("ServiceRequestError", "ServiceResponseError"),  # of the client for Azure
}
SERVER_SAYS = (
    *("status code: 5", "status code: 429", "error sending request", "Server returned error response"),
    *("429 Too Many Requests", "500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"),
    "504 Gateway Timeout",
)
"""Of object_store, which is below deltalake, after its ten tries."""


def out_of_reach(error: BaseException) -> bool:
    """Whether a store did not answer or asked for patience, so that the same request may work later. Clients have no
    common type for that, and only some of theirs are an `OSError`."""
    if isinstance(error, LakeUnreachable) or (isinstance(error, OSError) and error.errno in BUSY):
        return True
    return not NO_ANSWER.isdisjoint(kind.__name__ for kind in type(error).__mro__) or any(
        words in str(error) for words in SERVER_SAYS
    )


def filesystem(uri: str, options: dict[str, Any] | None = None) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URI and the path in it.

    Raises:
        MissingExtra: the protocol's package is not installed.
    """
    try:
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


def fsspec_options(uri: str, storage_options: dict[str, str]) -> dict[str, Any]:
    """Options of `filesystem` for a URI, from credentials and endpoint in deltalake's names (`AWS_ENDPOINT_URL`,
    ...)."""
    if not uri.startswith("s3://"):
        return {}
    options: dict[str, Any] = {"use_listings_cache": False}  # what another process wrote since a listing is there
    if key := storage_options.get("AWS_ACCESS_KEY_ID"):
        options |= {
            "key": key,
            "secret": storage_options.get("AWS_SECRET_ACCESS_KEY"),
            "token": storage_options.get("AWS_SESSION_TOKEN"),
        }
    client = {"endpoint_url": storage_options.get("AWS_ENDPOINT_URL"), "region_name": storage_options.get("AWS_REGION")}
    options["client_kwargs"] = {k: v for k, v in client.items() if v}
    return options

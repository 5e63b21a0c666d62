"""Azure Blob Storage, asked again as patiently as the other stores."""

from typing import Any

import fsspec
from adlfs import AzureBlobFileSystem  # pyright: ignore[reportMissingImports]
from azure.storage.blob.aio import BlobServiceClient, ExponentialRetry  # pyright: ignore[reportMissingImports]

RETRIES, FIRST_SECONDS, BASE_SECONDS = 6, 1, 2
"""A minute and a half in all. By itself the client waits 15, 18 and 24 seconds and gives up: the first answer 503 of a
busy account would cost a quarter of a minute."""


class PatientBlobs(AzureBlobFileSystem):
    """What adlfs does, with its client's waits replaced, for which it has no option."""

    service_client: BlobServiceClient

    def do_connect(self) -> None:
        super().do_connect()
        client = self.service_client
        # Each kind of failure has a limit of its own, of three tries.
        kinds = dict.fromkeys(("retry_connect", "retry_read", "retry_status"), RETRIES)
        patience = ExponentialRetry(FIRST_SECONDS, BASE_SECONDS, RETRIES, random_jitter_range=1, **kinds)
        self.service_client = BlobServiceClient(client.url, credential=client.credential, retry_policy=patience)


def opened(uri: str, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URI (`abfss://container@account.dfs.core.windows.net/path`, `az://container/path`) and the
    path in it. Its protocols are its own: fsspec's table stays as it is."""
    fs = PatientBlobs(**{**PatientBlobs._get_kwargs_from_urls(uri), **options})
    return fs, str(PatientBlobs._strip_protocol(uri))

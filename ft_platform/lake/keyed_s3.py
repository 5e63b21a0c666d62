"""S3 with a key for each place (SSE-KMS), named in every request that makes an object."""

from typing import Any

import fsspec
from s3fs import S3FileSystem

MADE_BY = ("put_object", "create_multipart_upload", "copy_object")
"""Parts of an object have the key of their upload."""


class KeyedS3(S3FileSystem):
    """What s3fs does, which has one key for all.

    Args:
        zone_keys: bucket and prefix, with a slash at the end -> key.
    """

    def __init__(self, *args: Any, zone_keys: dict[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.zone_keys = zone_keys

    def _get_s3_method_kwargs(self, method: Any, *more: Any, **given: Any) -> dict[str, Any]:
        """Of every request, right before it is sent."""
        found: dict[str, Any] = super()._get_s3_method_kwargs(method, *more, **given)
        if method.__name__ in MADE_BY:
            place = f"{found['Bucket']}/{found['Key']}"
            for prefix, key in self.zone_keys.items():
                if place.startswith(prefix):
                    found |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        return found


def opened(uri: str, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URI, and the path in it. Its protocol is its own: fsspec's table stays as it is."""
    return KeyedS3(**options), str(KeyedS3._strip_protocol(uri))

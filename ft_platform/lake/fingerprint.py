"""What is in a file or table outside the lake right now, as a short text that changes when it does."""

import hashlib

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from ft_platform.errors import FtError, SourceError, TransientError
from ft_platform.lake.file_systems import filesystem, fsspec_options


def fingerprint(uri: str, setting: str, storage_options: dict[str, str]) -> str:
    """`sha256:<64 hex digits>` over the bytes of a file, or `delta:<table id>:<version>` of a Delta table.

    Args:
        uri: local path or fsspec URI.
        setting: field of the YAML that names it, for messages.

    Raises:
        SourceError: there is nothing to read at this place.
        TransientError: the object store does not answer.
    """
    try:
        fs, path = filesystem(uri, fsspec_options(uri, storage_options))
        fs.invalidate_cache()
        if fs.isdir(path):
            table = DeltaTable(uri, storage_options=storage_options or None)
            return f"delta:{table.metadata().id}:{table.version()}"
        with fs.open(path, "rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except FtError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{setting} {uri} does not exist", f"Put the file there, or correct {setting}") from None
    except (TableNotFoundError, IsADirectoryError):
        raise SourceError(
            f"{setting} {uri} is a folder without a Delta table", f"Name a file or a Delta table in {setting}"
        ) from None
    except PermissionError:
        raise SourceError(
            f"no permission to read {setting} {uri}", "Give this user read access, or set the credentials"
        ) from None
    except ValueError as error:
        raise SourceError(
            f"{setting} {uri} is not a readable URI: {error}",
            "Use a local path or an fsspec URI such as s3://bucket/key",
        ) from None
    except (OSError, DeltaError) as error:
        raise TransientError(
            f"{setting} {uri} cannot be reached ({type(error).__name__})",
            "Check network, endpoint and credentials, then run again",
        ) from None

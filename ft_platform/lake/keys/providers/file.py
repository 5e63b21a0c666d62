"""Keys in a file that its owner alone may read."""

import errno
import os
import uuid
from pathlib import Path

from ft_platform.errors import DiskFull, KeyMissing
from ft_platform.lake.files import fsync_path
from ft_platform.lake.keys.providers import need_no_argument


class FileKeys:
    """A local file, such as `<home>/vault/pseudonym.key` or a secret that a container engine mounts."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path

    def read(self) -> str | None:
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyMissing(
                f"the key file {self._path} cannot be read ({type(error).__name__})", "Run as the user that owns it"
            ) from None

    def write(self, text: str) -> None:
        try:
            write_private(self._path, text)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(
                    f"no space left for the key file {self._path}", "Free some space and run the step again"
                ) from None
            problem = f"the key file {self._path} cannot be written ({type(error).__name__})"
            raise KeyMissing(problem, "Change the key where it is managed") from None


def write_private(path: Path, text: str) -> None:
    """Writes a file with mode 0600: flushed to the disk under another name, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        fsync_path(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def provider(argument: str, file: Path, variable: str) -> FileKeys:
    need_no_argument("file", argument)
    return FileKeys(file)

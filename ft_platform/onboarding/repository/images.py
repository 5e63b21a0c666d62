"""Images of containers, as files: saved by the container engine that has them."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ft_platform.errors import ConfigError, TransientError

ENGINES = {"podman": ["--format", "oci-archive"], "docker": []}
"""Engine -> what makes `save` write an OCI archive; docker does it by itself, since version 25."""
SECONDS = 3600


@dataclass(frozen=True)
class Image:
    """An image that an engine has.

    Attributes:
        id: hash of its configuration.
        bytes: of its layers, unpacked.
    """

    name: str
    id: str
    bytes: int
    engine: str

    @property
    def file(self) -> str:
        words = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in self.name)
        return f"{words}-{self.id[:12]}.tar"


def find(name: str) -> Image:
    """
    Raises:
        ConfigError: there is no container engine, or it has no such image.
    """
    engine = next((one for one in ENGINES if shutil.which(one)), None)
    if engine is None:
        raise ConfigError([f"--image {name} needs podman or docker, and neither is on the PATH"])
    done = _run([engine, "image", "inspect", name])
    if done.returncode:
        raise ConfigError([f"{engine} has no image {name}"], f"Build it, or fetch it with: {engine} pull {name}")
    [told] = json.loads(done.stdout)
    return Image(name, told["Id"].removeprefix("sha256:"), told["Size"], engine)


def save(image: Image, file: Path) -> None:
    """Writes an image into a file, unless an earlier call did.

    Raises:
        TransientError: the engine cannot.
    """
    if file.is_file():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.new")
    aside.unlink(missing_ok=True)
    done = _run([image.engine, "save", *ENGINES[image.engine], "--output", str(aside), image.name])
    if done.returncode or not aside.is_file():
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1][:300]
        raise TransientError(f"{image.engine} cannot save {image.name}: {last}", "Run the same command again")
    os.replace(aside, file)


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)

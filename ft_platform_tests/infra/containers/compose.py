"""`infra/docker/compose.yaml` brought up by docker-compose on the socket of podman, in a copy of the folders that it
reads. What it made is removed afterwards.

Nobody runs health checks on a machine without systemd, so a thread does. The image of PostgreSQL is Debian's package
under the name in the file; its entry point does what the official one does with the variables that the file sets."""

import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.infra.containers import DOCKER, Podman, debian, image, imported, podman

COMPOSE = ("docker-compose",)
CHECK_SECONDS = 3.0
POSTGRES = """#!/bin/sh
set -eu
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  install -d -o postgres "$PGDATA"
  install -o postgres -m 0400 "$POSTGRES_PASSWORD_FILE" /tmp/password
  $as initdb -U "$POSTGRES_USER" --auth=scram-sha-256 --pwfile=/tmp/password -E UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB" | $as postgres --single postgres
fi
install -d -o postgres /run/postgresql
exec $as postgres -c listen_addresses='*'
"""


@dataclass(frozen=True)
class Composed:
    """What docker-compose manages.

    Attributes:
        folder: of the copy of `infra/docker`.
        project: its name, a label of all that belongs to it.
    """

    folder: Path
    project: str
    variables: dict[str, str]

    def tried(self, *words: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        command = [*COMPOSE, "--project-name", self.project, "--file", str(self.folder / "compose.yaml"), *words]
        return subprocess.run(command, env=self.variables, timeout=seconds, capture_output=True, text=True, check=False)

    def ask(self, *words: str, seconds: float = 300) -> str:
        made = self.tried(*words, seconds=seconds)
        assert made.returncode == 0, f"docker-compose {' '.join(words)}: {made.stderr[-3000:]}"
        return made.stdout

    def python(self, service: str, program: str) -> str:
        """What a program prints in the container of a service."""
        return self.ask("exec", "--no-TTY", service, "python", "-c", program)

    def container(self, service: str) -> str:
        return self.ask("ps", "--all", "--quiet", service).strip()

    def left(self) -> list[str]:
        """What there is of it."""
        mark = f"label=com.docker.compose.project={self.project}"
        kinds = (("ps", "--all", "--format={{.Names}}"), ("volume", "ls", "--quiet"), ("network", "ls", "--quiet"))
        return [name for kind in kinds for name in podman().ask(*kind, "--filter", mark).split()]


def missing_for_compose() -> str:
    return "" if shutil.which(COMPOSE[0]) else "docker-compose"


@contextmanager
def composed(use_case: str) -> Iterator[Composed]:
    """A folder that is ready as the page says, with one use case; nothing is started yet."""
    here = podman()
    postgres(here)
    for name in ("orchestrator", "worker"):
        image(name)
    with tempfile.TemporaryDirectory(prefix="ft-compose-") as made, socket(here) as address:
        root = Path(made)
        root.chmod(0o755)
        shutil.copytree(DOCKER, root / "infra" / "docker", ignore=shutil.ignore_patterns("secrets", ".env"))
        defs = REPOSITORY / "ft_platform" / "defs" / use_case
        shutil.copytree(defs, root / "ft_platform" / "defs" / use_case)
        folder = root / "infra" / "docker"
        keys(folder / "secrets")
        shutil.copy(folder / ".env.example", folder / ".env")
        one = Composed(folder, f"ft-test-{uuid.uuid4().hex[:8]}", {**here.variables, "DOCKER_HOST": address})
        try:
            with checked(here, one.project):
                yield one
        finally:
            one.tried("down", "--volumes", "--remove-orphans", "--timeout", "5")
        assert one.left() == []


def keys(folder: Path) -> None:
    """The two secrets, for the user of the images."""
    folder.mkdir(mode=0o700)
    for name, size in (("pseudonym_key", 32), ("postgres_password", 24)):
        (folder / name).write_text(secrets.token_hex(size))
    for one in (folder, *folder.iterdir()):
        os.chown(one, 10001, -1)


@contextmanager
def socket(here: Podman) -> Iterator[str]:
    """Where podman answers as Docker does."""
    path = here.folder / f"{uuid.uuid4().hex[:8]}.sock"
    address = f"unix://{path}"
    words = ["podman", "system", "service", "--time=0", address]
    service = subprocess.Popen(words, env=here.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while not path.exists():
            assert service.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        yield address
    finally:
        service.terminate()
        service.wait(30)
        path.unlink(missing_ok=True)


@contextmanager
def checked(here: Podman, project: str) -> Iterator[None]:
    """Meanwhile health checks of containers that have not been healthy yet are run, as timers of systemd would."""
    ends = threading.Event()
    words = ("ps", "--quiet", "--filter", f"label=com.docker.compose.project={project}", "--filter", "health=")

    def check() -> None:
        while not ends.wait(CHECK_SECONDS):
            for state in ("starting", "unhealthy"):
                for one in here.tried(*words[:-1], f"{words[-1]}{state}").stdout.split():
                    here.tried("healthcheck", "run", one)

    thread = threading.Thread(target=check, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join(120)


def postgres(here: Podman) -> None:
    name = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["postgres"]["image"]
    full = f"docker.io/library/{name}"
    with here.alone(), tempfile.TemporaryDirectory(dir=here.folder) as made:
        if here.has(full):
            return
        folder = Path(made)
        debian(folder, "postgresql")
        (binaries,) = folder.glob("usr/lib/postgresql/*/bin")
        entry = folder / "usr" / "local" / "bin" / "entrypoint.sh"
        entry.write_text(POSTGRES)
        entry.chmod(0o755)
        path = f"/{binaries.relative_to(folder)}:/usr/local/bin:/usr/bin:/bin"
        settings = (f"ENV PATH={path}", "ENV PGDATA=/var/lib/postgresql/data", "STOPSIGNAL SIGINT")
        imported(here, folder, full, *settings, 'ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]')

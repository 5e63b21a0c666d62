"""The images of `infra/docker`, built and started by podman, with storage of its own in the folder that
FT_TEST_CONTAINERS names. What is built there is used again.

No registry is asked: the base image is made by debootstrap under the name in the Dockerfile, with the Python
of this machine. Packages come from the index that pip of this machine uses."""

import fcntl
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ft_platform import __version__
from ft_platform_tests.conftest import REPOSITORY

VARIABLE = "FT_TEST_CONTAINERS"
NEEDS = ("podman", "runc", "conmon", "debootstrap")
DOCKER = REPOSITORY / "infra" / "docker"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
LOCKED_DOWN = (
    *("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--tmpfs=/tmp:mode=1777"),
    "--network=none",
)
"""How a container is started: what it may write is named."""
ENGINE = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[network]
network_config_dir = "{folder}/networks"
"""
STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'


def missing() -> str:
    """What building and starting containers needs and this machine has not."""
    if os.geteuid() != 0:
        return "root, for debootstrap and control groups"
    if not os.environ.get(VARIABLE):
        return f"{VARIABLE}=FOLDER, for images (10 GB)"
    return ", ".join(name for name in NEEDS if not shutil.which(name))


class Podman:
    """podman with storage of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        most = [min(resource.getrlimit(kind)[1], 20_000) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)]
        most = [count if count > 0 else 20_000 for count in most]
        (folder / "containers.conf").write_text(ENGINE.format(folder=folder, files=most[0], processes=most[1]))
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
        self.variables = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        }

    def tried(self, *words: str, seconds: float = 120, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """What podman came to, whatever that is."""
        return subprocess.run(
            ["podman", *words],
            env=self.variables,
            cwd=self.folder,  # conmon leaves a file `oom` where it was started
            input=given,
            timeout=seconds,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, *words: str, seconds: float = 120, given: str | None = None) -> str:
        made = self.tried(*words, seconds=seconds, given=given)
        assert made.returncode == 0, f"podman {' '.join(words)[:200]}: {made.stderr[-3000:]}"
        return made.stdout

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Of several processes of tests one makes images at a time."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def has(self, image: str) -> bool:
        return self.tried("image", "exists", image).returncode == 0

    def run(self, image: str, *command: str, options: Iterable[str] = (), seconds: float = 300) -> str:
        """Output of a command in a container that may nothing that is not named."""
        return self.ask("run", "--rm", *LOCKED_DOWN, *options, image, *command, seconds=seconds)


@cache
def podman() -> Podman:
    return Podman(Path(os.environ[VARIABLE]).absolute())


@cache
def image(name: str) -> str:
    """The image of `Dockerfile.<name>`. podman builds the layers that are new."""
    here, file, made = podman(), DOCKER / f"Dockerfile.{name}", f"localhost/ft-platform-{name}:{__version__}"
    arguments = {"TORCH": ""}  # as pip here finds it
    if name == "server":
        arguments["WORKER"] = image("worker")
    with here.alone(), tempfile.TemporaryDirectory(prefix="ft-index-") as folder:
        if name != "server":
            base(here, re.findall(r"^FROM (\S+)$", file.read_text(), re.MULTILINE)[0])
        words = ["build", "--isolation=chroot", "--network=host", "--format=docker", "--layers", "--pull=never"]
        words += [f"--build-arg={key}={value}" for key, value in arguments.items()]
        words += [f"--volume={source}:{target}:ro" for source, target in index(Path(folder))]
        here.ask(*words, f"--file={file}", f"--tag={made}", str(REPOSITORY), seconds=1800)
    return made


def base(here: Podman, name: str) -> None:
    """Debian and the Python of this machine, under the name of the official image."""
    full = f"docker.io/library/{name}"
    if here.has(full):
        return
    with tempfile.TemporaryDirectory(dir=here.folder) as made:
        debian(Path(made), "python3", "ca-certificates")  # Debian's brings the libraries that ours needs
        own, local = Path(sys.base_prefix), Path(made) / "usr/local"
        version = f"python3.{sys.version_info[1]}"
        shutil.copy2(own / "bin" / version, local / "bin")
        for library in own.glob(f"lib/lib{version}.so*"):
            shutil.copy2(library, local / "lib", follow_symlinks=False)
        ignored = shutil.ignore_patterns("site-packages", "test", "__pycache__", "lib2to3", "tkinter", "idlelib")
        shutil.copytree(own / "lib" / version, local / "lib" / version, ignore=ignored)
        for link in ("python3", "python"):
            (local / "bin" / link).symlink_to(version)
        for command in ("ldconfig", "python -m ensurepip --default-pip"):
            subprocess.run(["chroot", made, *command.split()], check=True, stdout=subprocess.DEVNULL)
        imported(here, Path(made), full)


def debian(folder: Path, *packages: str) -> None:
    """The release that this machine has."""
    release = re.findall(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)[0]
    words = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", release, str(folder)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=900)
    for left in (*folder.glob("var/cache/apt/archives/*.deb"), *folder.glob("var/lib/apt/lists/*_*")):
        left.unlink()


def imported(here: Podman, folder: Path, name: str, *changes: str) -> None:
    folder.chmod(0o755)
    options = " ".join(f"--change='{change}'" for change in changes)
    line = f"tar -C {folder} -c . | podman import --quiet {options} - {name}"
    subprocess.run(["sh", "-c", line], env=here.variables, check=True, stdout=subprocess.DEVNULL, timeout=600)


def index(folder: Path) -> list[tuple[Path, str]]:
    """Files by which pip, uv and apt in a build find packages as those of this machine do, and where they belong."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found = {
        key.rpartition(".")[2]: value for key, value in re.findall(r"^(\S+?)='(.*)'$", listed.stdout, re.MULTILINE)
    }
    own = [f"{key} = {found[key]}" for key in ("index-url", "extra-index-url", "cert") if key in found]
    (folder / "pip.conf").write_text("\n".join(["[global]", *own, ""]))
    lines = ["system-certs = true"]
    if "constraint" in found:
        constraints = [line for line in Path(found["constraint"]).read_text().splitlines() if line[:1] not in ("", "#")]
        lines.append(f"constraint-dependencies = {json.dumps(constraints)}")
    lines += [f"[[index]]\nurl = {json.dumps(found['index-url'])}\ndefault = true"] if "index-url" in found else []
    lines += [f"[pip]\nfind-links = [{json.dumps(found['find-links'])}]"] if "find-links" in found else []
    (folder / "uv.toml").write_text("\n".join(lines) + "\n")
    links = [(Path(found["find-links"]), found["find-links"])] if "find-links" in found else []
    cert = [(Path(found["cert"]), path) for path in {found["cert"], CERTIFICATES}] if "cert" in found else []
    apt = [(path, str(path)) for path in [Path("/etc/apt/apt.conf.d")] if path.is_dir()]
    return [*links, *cert, *apt, (folder / "uv.toml", "/etc/uv/uv.toml"), (folder / "pip.conf", "/etc/pip.conf")]

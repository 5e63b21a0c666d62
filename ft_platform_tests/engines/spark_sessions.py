"""A real Spark for tests: its settings, and what it left on disks."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
"""Not that of `conftest`, which would load Dagster into every worker."""
SETTINGS = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.driver.memory": "512m",
    # Compiles less: a test ends before more of it pays.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}
ENCRYPTED = {
    "spark.authenticate": "true",
    "spark.authenticate.secret": "for-tests-only",
    "spark.io.encryption.enabled": "true",
    "spark.network.crypto.enabled": "true",
}


def require_spark() -> None:
    if not importlib.util.find_spec("pyspark"):
        pytest.skip("needs the extra `spark`")
    if not shutil.which("java"):
        pytest.skip("needs Java 17")


def variables(folder: Path, **settings: str) -> dict[str, str]:
    """Of a process whose Spark has these settings, with event log and local files in `folder`."""
    for name in ("conf", "events", "local"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    found = {**SETTINGS, "spark.eventLog.dir": f"file://{folder}/events", "spark.local.dir": f"{folder}/local"}
    found |= {f"spark.{name.replace('__', '.')}": value for name, value in settings.items()}
    lines = [f"{name} {value}\n" for name, value in found.items()]
    (folder / "conf" / "spark-defaults.conf").write_text("".join(lines))
    own = {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(REPOSITORY), "SPARK_LOCAL_IP": "127.0.0.1"}
    return {"SPARK_CONF_DIR": str(folder / "conf"), **own}


def session_in(folder: Path) -> Iterator[Path]:
    """A session of this process: `with` its settings in force until it is stopped. Gives the folder."""
    require_spark()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(folder).items():
            patch.setenv(name, value)
        yield folder
        from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]

        if (session := SparkSession.getActiveSession()) is not None:
            session.stop()


def left_behind(folder: Path) -> bytes:
    """All bytes of all files in the folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())

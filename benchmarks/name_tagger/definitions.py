"""The lineage of the network for names: `annotated_texts -> tagger_splits -> name_network -> name_report`.

    NAMES_FOLDER=F dagster dev -m benchmarks.name_tagger.definitions

Each step publishes an artifact in `F/lake` under a name that follows from its inputs: what was made from equal content
is taken from there, and a training that was stopped goes on."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.name_tagger import data
from ft_platform.assets.version_io import VersionIOManager
from ft_platform.lake.store import Lake
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.settings.hash import settings_hash

GRAPH, WEIGHTS = "name_tagger", "names.safetensors"
MOST_BYTES = 15_000_000
"""The file is part of the package."""
SAVE_SECONDS = 60
OWN, PLATFORM = Path(__file__).parent, Path(__file__).parent.parent.parent / "ft_platform"
DIVIDES = [
    OWN / "data.py",
    *sorted((PLATFORM / "records" / "near_duplicates").glob("*.py")),
    *(PLATFORM / "splitting" / name for name in ("benchmark_texts.py", "given.py")),
]
LEARNS = [
    *(OWN / name for name in ("data.py", "forms.py", "network.py", "training.py")),
    *(PLATFORM / "privacy" / "ner" / "built_in" / name for name in ("network.py", "words.py")),
    *(PLATFORM / "privacy" / name for name in ("casing.py", "names.py", "places.py")),
    *sorted((PLATFORM / "privacy").glob("*.txt")),
    PLATFORM / "training" / "loop.py",
]
"""Files that decide about sides, and about weights."""
Figures = dict[str, Any]


@dataclass(frozen=True)
class NameTagger:
    """What the graph depends on besides the texts.

    Attributes:
        folder: of the converted sources.
        texts: at most so many of each source for training.
        sources: file with the list of the sources.
    """

    folder: Path
    epochs: float = 5
    seed: int = 7
    texts: int | None = None
    sources: Path = data.SOURCES

    @property
    def entries(self) -> list[data.Source]:
        return data.sources(self.sources)

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    def publish(
        self,
        name: str,
        parents: Sequence[ArtifactVersion],
        make: Callable[[Path, str], Figures],
        code: Sequence[Path],
        **depends_on: Any,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """The artifact of this content: the one that is there, or what `make` writes into a folder."""
        files = [hashlib.sha256(file.read_bytes()).hexdigest() for file in code]
        inputs = settings_hash({**depends_on, "code": files, "parents": [one.content_hash for one in parents]})
        found = self.lake.intact_artifact(GRAPH, name, f"{name}-{inputs}")
        reused = found is not None
        if found is None:
            with self.lake.scratch(GRAPH, name) as place:
                place.mkdir()
                info = make(place, f"{name}-{inputs}")
                hashes: dict[str, Any] = {"settings_hash": inputs, "input_hash": inputs}
                found = self.lake.publish(GRAPH, name, f"{name}-{inputs}", place, parents=parents, info=info, **hashes)
        pages = {page.stem: dg.MetadataValue.md(page.read_text("utf-8")) for page in Path(found.uri).glob("*.md")}
        shown = {**self.lake.manifest(found).info, **pages, "reused": reused}
        return dg.MaterializeResult(value=found, data_version=dg.DataVersion(found.content_hash), metadata=shown)

    def leaks(self, splits: ArtifactVersion) -> Figures:
        with self.lake.scratch(GRAPH, "leaks") as place:
            return data.leaks(self.folder, self.entries, sides_of(splits), place.parent)


Tagger = dg.ResourceParam[NameTagger]


def sides_of(splits: ArtifactVersion) -> dict[str, str]:
    return json.loads(Path(splits.uri, "sides.json").read_text(encoding="utf-8"))


def none_of(figures: Figures) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=not any(figures.values()), metadata=figures)


@dg.asset(group_name=GRAPH)
def annotated_texts(tagger: Tagger) -> dg.MaterializeResult[ArtifactVersion]:
    """Public annotated texts by source, with role, licence, language and counts: the data card."""
    counts = data.counted(tagger.folder, tagger.entries, tagger.texts)

    def make(place: Path, _: str) -> Figures:
        (place / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
        (place / "data_card.md").write_text(data.data_card(tagger.entries, counts), encoding="utf-8")
        return {what: sum(one[what] for one in counts.values()) for what in ("texts", "words", "names")}

    return tagger.publish("annotated_texts", [], make, [OWN / "data.py"], counts=counts, sources=tagger.entries)


@dg.asset_check(asset=annotated_texts, blocking=True)
def sources_as_committed(tagger: Tagger) -> dg.AssetCheckResult:
    """The converted texts have the hashes of `sources.json`."""
    return none_of({"changed": data.changed(tagger.folder, tagger.entries)})


@dg.asset_check(asset=annotated_texts, blocking=True)
def licences_allow_training(tagger: Tagger) -> dg.AssetCheckResult:
    """Each source for training allows commercial use, and weights that are passed on."""
    return none_of({"unlicensed": data.unlicensed(tagger.entries)})


@dg.asset(group_name=GRAPH)
def tagger_splits(tagger: Tagger, annotated_texts: ArtifactVersion) -> dg.MaterializeResult[ArtifactVersion]:
    """Which texts are for training and which validate. What a test says, or nearly says, is for neither."""

    def make(place: Path, _: str) -> Figures:
        sides, near = data.divided(tagger.folder, tagger.entries, place.parent, tagger.texts)
        (place / "sides.json").write_text(json.dumps(sides), encoding="utf-8")
        (place / "removed.md").write_text(data.markdown(data.REMOVED, near), encoding="utf-8")
        return {told: sum(own.count(letter) for own in sides.values()) for letter, told in data.SIDES.items()}

    return tagger.publish("tagger_splits", [annotated_texts], make, DIVIDES, texts=tagger.texts)


@dg.asset_check(asset=tagger_splits, blocking=True)
def no_test_text_in_training(tagger: Tagger, tagger_splits: ArtifactVersion) -> dg.AssetCheckResult:
    """No text for training or validation is nearly equal to one of a test, or holds its words."""
    return none_of(tagger.leaks(tagger_splits))


@dg.asset(group_name=GRAPH)
def name_network(
    context: dg.AssetExecutionContext, tagger: Tagger, tagger_splits: ArtifactVersion
) -> dg.MaterializeResult[ArtifactVersion]:
    """Weights of the network, trained by the platform's loop. Equal inputs give the same file: nothing is trained.

    Training is refused, whoever starts it, if one of the checks before it would fail."""

    def make(place: Path, name: str) -> Figures:
        from safetensors.numpy import save_file

        from benchmarks.name_tagger.training import about, rows, trained
        from ft_platform.training.state import States

        entries = tagger.entries
        faults = {"changed": data.changed(tagger.folder, entries), "unlicensed": data.unlicensed(entries)}
        if any((faults | tagger.leaks(tagger_splits)).values()):
            raise dg.Failure("the checks of annotated_texts and tagger_splits do not pass", allow_retries=False)
        states = States(TrainingStates(tagger.lake, tagger_splits, name), SAVE_SECONDS, context.log)
        weights, run = trained(*rows(tagger.folder, entries, sides_of(tagger_splits)), tagger, states)
        save_file(weights, place / WEIGHTS, about(entries))
        states.remove()
        figures = {"steps": run.step, "kept_step": run.best_step, "seconds": round(run.seconds)}
        figures["attempts"] = len(run.attempts)
        curve = [point for point in run.curve if "validation_loss" in point]
        return {**figures, "bytes": (place / WEIGHTS).stat().st_size, "curve": curve}

    return tagger.publish("name_network", [tagger_splits], make, LEARNS, epochs=tagger.epochs, seed=tagger.seed)


@dg.asset_check(asset=name_network, blocking=True)
def small_and_safetensors_only(name_network: ArtifactVersion) -> dg.AssetCheckResult:
    """One file of weights, at most 15 MB, in a format that holds no code."""
    files = {one.name: one.stat().st_size for one in Path(name_network.uri).iterdir() if one.name != "manifest.json"}
    return dg.AssetCheckResult(passed=[*files] == [WEIGHTS] and files[WEIGHTS] <= MOST_BYTES, metadata=files)


@dg.asset(group_name=GRAPH)
def name_report(
    tagger: Tagger, annotated_texts: ArtifactVersion, tagger_splits: ArtifactVersion, name_network: ArtifactVersion
) -> dg.MaterializeResult[ArtifactVersion]:
    """Recall and precision on validation texts by source and language, and the data card."""

    def make(place: Path, _: str) -> Figures:
        from benchmarks.name_tagger.training import validation_table

        sides, weights = sides_of(tagger_splits), Path(name_network.uri, WEIGHTS)
        table = validation_table(weights, tagger.folder, tagger.entries, sides)
        card = Path(annotated_texts.uri, "data_card.md").read_text(encoding="utf-8")
        (place / "report.md").write_text(f"# Validation\n\n{table}\n# Data\n\n{card}", encoding="utf-8")
        return {}

    parents = [annotated_texts, tagger_splits, name_network]
    return tagger.publish("name_report", parents, make, [*LEARNS, PLATFORM.parent / "benchmarks" / "names.py"])


DATA = [annotated_texts.key, tagger_splits.key]


def graph(tagger: NameTagger) -> dg.Definitions:
    return dg.Definitions(
        assets=[annotated_texts, tagger_splits, name_network, name_report],
        asset_checks=[
            sources_as_committed,
            licences_allow_training,
            no_test_text_in_training,
            small_and_safetensors_only,
        ],
        resources={"tagger": tagger, "io_manager": VersionIOManager()},
    )


defs = graph(NameTagger(Path(os.environ.get("NAMES_FOLDER", "names"))))

"""The lineage of the network for names: what it must not learn from, and that equal content trains nothing. All persons
and places are invented."""

import hashlib
import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from benchmarks.name_tagger import data, definitions
from benchmarks.name_tagger.__main__ import DOCS
from benchmarks.name_tagger.definitions import NameTagger, graph
from ft_platform.lake.versions import ArtifactVersion

LONG = "Zorb Quillon told the old clerk in Narthex that Ann Plimsa of Wix had left with seven boxes on Monday."


def record(text: str, document: str | None = None) -> dict[str, Any]:
    spans = [{"entity_type": "PERSON", "start_position": 0, "end_position": 4}]
    return {"full_text": text, "spans": spans, "document": document}


def texts(kind: str, count: int = 60) -> list[dict[str, Any]]:
    """Three in each document, no two of which are alike."""
    return [
        record(f"Zorb saw {kind}{n} and q{kind}{n} near x{kind}{n} again", f"{kind} {n // 3}") for n in range(count)
    ]


def tagger(
    folder: Path, licence: str = "MIT AND CC-BY-4.0", planted: tuple[str, ...] = (), **settings: Any
) -> NameTagger:
    """A graph over two sources for training, the first with `planted` texts at its end, and a test."""
    rows = {"en_a": [*texts("a"), *map(record, planted)], "de_b": texts("b"), "en_test": [*texts("t"), record(LONG)]}
    entries = []
    for name, own in rows.items():
        content = "".join(json.dumps(row) + "\n" for row in own).encode()
        (folder / f"{name}.jsonl").write_bytes(content)
        told = {"url": "https://example.com", "commit": "0" * 40, "genre": "invented", "register": "formal"}
        role = {"role": "test", "licence": "GPL-3.0-only"} if name == "en_test" else {"role": "train", "licence": "MIT"}
        sha256 = hashlib.sha256(content).hexdigest()
        entries.append({"name": name, "language": name[:2], "sha256": sha256, **told, **role})
    entries[0]["licence"] = licence
    (folder / "sources.json").write_text(json.dumps(entries))
    return NameTagger(folder, sources=folder / "sources.json", **settings)


def splits(own: NameTagger, sides: dict[str, str]) -> ArtifactVersion:
    folder = own.folder / "planted"
    folder.mkdir()
    (folder / "sides.json").write_text(json.dumps(sides))
    return ArtifactVersion(definitions.GRAPH, "tagger_splits", "planted", "0" * 64, str(folder))


@pytest.mark.parametrize(
    ("planted", "letter"),
    [
        (LONG, "n"),
        (LONG.upper(), "n"),
        (LONG.replace("Monday", "Friday"), "n"),
        (
            "He wrote: " + LONG + " Nobody else in the village knew of it, and nothing was ever said again by anyone.",
            "w",
        ),
        ("Zorb Quillon told the clerk a story.", "tv"),  # words in common, but no sentence
    ],
)
def test_what_a_test_says_is_not_learned(planted: str, letter: str, tmp_path: Path) -> None:
    own = tagger(tmp_path, planted=(planted,))
    sides, near = data.divided(tmp_path, own.entries, tmp_path)
    assert sides["en_a"][-1] in letter
    assert {name: len(side) for name, side in sides.items()} == {"en_a": 61, "de_b": 60}
    told = {"n": [("en_a", "en_test", 1, 1)], "w": [("en_a", "words of a test", 1, 1)]}
    assert near == told.get(letter, [])
    assert not any(data.leaks(tmp_path, own.entries, sides, tmp_path).values())
    leaking = {**sides, "en_a": sides["en_a"][:-1] + "t"}
    assert any(data.leaks(tmp_path, own.entries, leaking, tmp_path).values()) == (letter != "tv")


def test_documents_and_near_duplicates_stay_on_one_side(tmp_path: Path) -> None:
    own = tagger(tmp_path)
    sides, _ = data.divided(tmp_path, own.entries, tmp_path)
    documents = [sides["en_a"][n : n + 3] for n in range(0, 60, 3)]
    assert sorted(set(documents)) == ["ttt", "vvv"] and documents.count("vvv") == 1
    validates = texts("a")[sides["en_a"].index("v")]["full_text"]
    own = tagger(tmp_path, planted=(validates.replace("again", "Again!"),))
    sides, near = data.divided(tmp_path, own.entries, tmp_path)
    assert sides["en_a"][-1] == "n" and near == [("en_a", "validation", 1, 1)]


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "MIT AND CC-BY-NC-SA-3.0", "GPL-3.0-only", "", "unknown"])
def test_a_licence_that_is_not_on_the_list_is_refused(licence: str, tmp_path: Path) -> None:
    result: Any = definitions.licences_allow_training(tagger(tmp_path, licence))
    assert not result.passed and result.metadata["unlicensed"].value == ["en_a"]


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    own = tagger(tmp_path)
    assert definitions.sources_as_committed(own).passed and definitions.licences_allow_training(own).passed  # type: ignore[union-attr]
    file = tmp_path / "de_b.jsonl"
    file.write_bytes(file.read_bytes().replace(b"Zorb", b"Zarb", 1))
    result: Any = definitions.sources_as_committed(own)
    assert not result.passed and result.metadata["changed"].value == ["de_b"]


def test_a_test_text_in_the_training_part_stops_the_training(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    own = tagger(tmp_path, planted=(LONG,))
    leaking = splits(own, {"en_a": "t" * 61, "de_b": "t" * 60})
    result: Any = definitions.no_test_text_in_training(own, leaking)
    assert not result.passed and result.metadata["near_duplicate_pairs"].value == 1
    with pytest.raises(dg.Failure, match="do not pass"):
        definitions.name_network(dg.build_asset_context(), own, leaking)


@pytest.mark.parametrize(("name", "size"), [("names.pkl", 1), ("names.safetensors", definitions.MOST_BYTES + 1)])
def test_weights_that_are_large_or_may_hold_code_are_refused(name: str, size: int, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(size)
    version = ArtifactVersion(definitions.GRAPH, "name_network", "planted", "0" * 64, str(tmp_path))
    assert not definitions.small_and_safetensors_only(version).passed  # type: ignore[union-attr]


def run(own: NameTagger) -> dg.ExecuteInProcessResult:
    job = graph(own).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=dg.DagsterInstance.ephemeral(), raise_on_error=False)


def test_the_page_about_the_data_names_every_source() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for one in data.sources():
        assert f"| [{one['name']}]({one['url']}) | {one['role']} | {one['language']} | {one['register']} |" in page
        assert f" | {one['licence']} | {one['commit'][:12]} | {one['genre']} |" in page


@pytest.mark.integration
def test_a_training_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from benchmarks.name_tagger import training

    def weights(folder: Path) -> bytes:
        return next((folder / "lake").rglob(definitions.WEIGHTS)).read_bytes()

    def stopping(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return loss(*arguments)

    loss, calls = training.TagLoss.loss, []
    monkeypatch.setattr(training, "MADE", 60)
    monkeypatch.setattr(definitions, "SAVE_SECONDS", 0)
    folders = [tmp_path / "stopped", tmp_path / "whole"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(training.TagLoss, "loss", stopping)
    assert not run(tagger(folders[0], epochs=1)).success
    shown = [
        run(tagger(folder, epochs=1)).asset_materializations_for_node("name_network")[0].metadata for folder in folders
    ]
    assert [one["attempts"].value for one in shown] == [2, 1]
    assert weights(folders[0]) == weights(folders[1])


@pytest.mark.integration
def test_equal_content_trains_nothing_and_other_content_trains_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from benchmarks.name_tagger import training

    trained, calls = training.trained, []
    monkeypatch.setattr(training, "MADE", 200)
    monkeypatch.setattr(training, "trained", lambda *arguments: calls.append(1) or trained(*arguments))

    results = [run(tagger(tmp_path, epochs=0.3)) for _ in range(2)]
    assert all(result.success for result in results) and len(calls) == 1
    shown: Any = [result.asset_materializations_for_node("name_network")[0].metadata for result in results]
    assert [one["reused"].value for one in shown] == [False, True] and shown[0]["handle"] == shown[1]["handle"]
    assert shown[0]["steps"].value > 0 and shown[0]["curve"].value[-1]["f1"] >= 0
    report: Any = results[0].asset_materializations_for_node("name_report")[0].metadata["report"].value
    assert "| en | en_a | 3 |" in report and "| [en_test](https://example.com) | test | en |" in report
    assert run(tagger(tmp_path, planted=("Ann Wix left.",), epochs=0.3)).success and len(calls) == 2
    failed = run(tagger(tmp_path, "CC-BY-NC-4.0", epochs=0.3))
    assert not failed.success and not failed.asset_materializations_for_node("tagger_splits") and len(calls) == 2

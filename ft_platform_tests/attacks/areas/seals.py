"""Files of a lake are altered, deleted, added, swapped and rolled back under a release that was accepted: the decision
must refuse it."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from ft_platform.errors import VersionRefused
from ft_platform.lake.artifacts import Artifacts, artifact_hash
from ft_platform.lake.journal import Journal
from ft_platform.lake.seals import Seals
from ft_platform.lake.tables import Tables
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.release.decide import decide, newest_evidence
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.release.evidence_case import EvidenceCase

USE_CASE = "complaints"


@dataclass
class Target:
    """An accepted release. Each attack works on a fresh copy of its lake, and the decision is made anew.

    Attributes:
        older: the lake as it was before the newest verdicts were written.
    """

    folder: Path
    case: EvidenceCase = field(init=False)

    def __post_init__(self) -> None:
        self.case = EvidenceCase(self.folder / "home").publish()
        self.lake = self.folder / "home" / "lake"
        self.older, self.whole = self.folder / "older", self.folder / "whole"
        shutil.copytree(self.lake, self.older)
        splits = self.case.versions["splits"]
        for check in ("no_leakage", NOT_TAINTED):
            verdict = self.case.lake.verdicts(splits).get(check)
            self.case.lake.add_verdict(splits, check, True, verdict.settings_hash if verdict else "s", {"again": True})
        shutil.copytree(self.lake, self.whole)

    def refused_after(self, attack: Callable[[], None]) -> str | None:
        """None where the decision refuses after the attack, and accepts without it."""
        shutil.rmtree(self.lake)
        shutil.copytree(self.whole, self.lake)
        if not self._accepted():
            return "the release is not accepted before anybody attacks it"
        attack()
        return "the release is still accepted" if self._accepted() else None

    def _accepted(self) -> bool:
        case = self.case
        lake = type(case.lake)(case.lake.root, case.lake.storage_options, case.lake.signing)
        checkpoint = case.versions["adapter_checkpoint"]
        try:
            return decide(lake, case.use_case, checkpoint, newest_evidence(lake, case.use_case, checkpoint)).accepted
        except VersionRefused:  # the chain itself is broken: there is nothing to decide on
            return False


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    target = Target(folder)
    files = sorted(path.relative_to(target.whole) for path in target.whole.rglob("*.json*"))
    control = [path for path in files if "_delta_log" not in path.parts and _is_control(path)]
    data = sorted(
        (path.relative_to(target.whole) for path in target.whole.rglob("*.parquet")), key=lambda path: str(path.parent)
    )  # their names are random
    for file in random.sample(control, min(size, len(control))):
        for how, change in (("altered", _flip), ("emptied", _empty), ("deleted", Path.unlink)):
            yield f"{file} {how}", _on(target, file, change, random.randrange(2**30))
    for file in sorted(
        path
        for path in control
        if (target.older / path).exists() and (target.older / path).read_bytes() != (target.whole / path).read_bytes()
    ):
        yield (
            f"{file} put back",
            lambda file=file: target.refused_after(lambda: _copy(target.older / file, target.lake / file)),
        )
    for file in random.sample(data, min(size, len(data))):
        for how, change in (("flipped", _flip), ("deleted", Path.unlink)):
            yield f"rows of {file.parent} {how}", _on(target, file, change, random.randrange(2**30))
    yield "the whole lake put back", lambda: target.refused_after(lambda: _put_back(target))
    yield "a column dropped in the log of a table", lambda: target.refused_after(lambda: _drop_column(target))
    for stage in random.sample(
        ["evaluation_report", "fairness_report", "privacy_report", "adapter_checkpoint"], min(size, 4)
    ):
        yield (
            f"{stage} made better, hashes made anew",
            lambda stage=stage: target.refused_after(lambda: _rehash(target, stage)),
        )
    for name in random.sample(
        ["adapter_model.bin", "tokenizer.py", "pytorch_model.bin", "sub/extra.json"], min(size, 4)
    ):
        yield f"{name} added to the checkpoint", lambda name=name: target.refused_after(lambda: _add(target, name))
    for what in ("the weights", "the folder"):
        yield (
            f"{what} of the checkpoint put elsewhere, and a link in its place",
            lambda what=what: target.refused_after(lambda: _linked(target, what)),
        )
    yield (
        "a verdict about withdrawn records deleted",
        lambda: target.refused_after(lambda: _verdict(target, NOT_TAINTED).unlink()),
    )
    yield "a waiver written by hand until 2999", lambda: _forged_waiver(target)


def _linked(target: Target, what: str) -> None:
    """The bytes are the same when the decision is made; whoever has the other place changes them afterwards."""
    folder = (
        target.lake
        / "shared"
        / USE_CASE
        / "adapter_checkpoint"
        / target.case.versions["adapter_checkpoint"].artifact_id
    )
    place = folder if what == "the folder" else max(at for at in folder.iterdir() if at.name != "manifest.json")
    elsewhere = target.folder / "elsewhere" / place.name
    elsewhere.parent.mkdir(exist_ok=True)
    shutil.rmtree(elsewhere) if elsewhere.is_dir() else elsewhere.unlink(missing_ok=True)
    shutil.move(place, elsewhere)
    place.symlink_to(elsewhere)


def _is_control(path: Path) -> bool:
    return path.name == "manifest.json" or {"manifests", "verdicts", "seals"} & set(path.parts)


def _on(target: Target, file: Path, change: Callable[..., Any], seed: int) -> Attack:
    return lambda: target.refused_after(
        lambda: change(target.lake / file, *([Random(seed)] if change is _flip else []))
    )


def _flip(path: Path, random: Random) -> None:
    """Another digit or letter: what is still text that can be read, where the file is text."""
    content = bytearray(path.read_bytes())
    places = [place for place, byte in enumerate(content) if chr(byte).isalnum()]
    place = random.choice(places)
    content[place] = ord(random.choice([letter for letter in "0123456789abcdef" if ord(letter) != content[place]]))
    path.write_bytes(bytes(content))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _put_back(target: Target) -> None:
    shutil.rmtree(target.lake)
    shutil.copytree(target.older, target.lake)


def _verdict(target: Target, check: str) -> Path:
    return (
        target.lake
        / "shared"
        / USE_CASE
        / "verdicts"
        / "splits"
        / target.case.versions["splits"].id.replace("@", "-")
        / f"{check}.json"
    )


def _drop_column(target: Target) -> None:
    log = target.lake / "shared" / USE_CASE / "tables" / "splits" / "_delta_log" / f"{0:020d}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "metaData" in line:
            schema = json.loads(line["metaData"]["schemaString"])
            schema["fields"] = [one for one in schema["fields"] if one["name"] != "label"]
            line["metaData"]["schemaString"] = json.dumps(schema)
    log.write_text("\n".join(map(json.dumps, lines)) + "\n")


def _rehash(target: Target, stage: str) -> None:
    """A file is changed, and every hash that speaks of it: of the file, of the folder, and of parents that name it."""
    version = target.case.versions[stage]
    folder = target.lake / "shared" / USE_CASE / stage / version.artifact_id
    manifest = json.loads((folder / "manifest.json").read_text())
    name = sorted(manifest["files"])[0]
    (folder / name).write_text((folder / name).read_text() + " ")
    manifest["files"][name] = sha256((folder / name).read_bytes()).hexdigest()
    old, new = manifest["content_hash"], artifact_hash(manifest["files"])
    (folder / "manifest.json").write_text(json.dumps({**manifest, "content_hash": new}))
    for other in target.lake.rglob("manifest.json"):
        other.write_text(other.read_text().replace(old, new))


def _add(target: Target, name: str) -> None:
    path = (
        target.lake
        / "shared"
        / USE_CASE
        / "adapter_checkpoint"
        / target.case.versions["adapter_checkpoint"].artifact_id
        / name
    )
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"#")


def _forged_waiver(target: Target) -> str | None:
    """A rule is broken, and a waiver for it lies in the lake that no program wrote."""
    from ft_platform.release.waivers import FILE, STORED_AS, in_force

    waiver = {
        "id": "waiver-0123456789ab",
        "rule": "memorization",
        "checkpoint": target.case.versions["adapter_checkpoint"].artifact_id,
        "role": "accountable",
    }
    waiver |= {
        "granted_by": "Ana Ruiz",
        "reason": "written by hand, by nobody",
        "until": "2999-12-31",
        "granted_at": "2026-01-01",
        "recorded_by": "root",
    }
    folder = target.lake / "shared" / USE_CASE / STORED_AS / waiver["id"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(waiver))
    files = {FILE: sha256((folder / FILE).read_bytes()).hexdigest()}
    like = json.loads(next(target.lake.rglob("evaluation_report/*/manifest.json")).read_text())
    manifest = {**like, "name": STORED_AS, "id": waiver["id"], "files": files, "content_hash": artifact_hash(files)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    found = in_force(target.case.lake, target.case.use_case, target.case.versions["adapter_checkpoint"], _today())
    return "it counts" if found else None


def _today() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC).date()


def _believing() -> AbstractContextManager[Any]:
    return patch.object(Seals, "_problem", lambda *_: None)


AREA = Area(
    name="seals",
    cases=cases,
    defences={
        "signatures": _believing,
        "head_outside_the_lake": lambda: patch.object(Journal, "_compare", lambda *_: None),
        "rows_compared_with_their_hash": lambda: patch.object(Tables, "verify_table", lambda *_, **__: None),
        "links": lambda: patch.object(Artifacts, "_link", lambda *_: None),
        "files_that_no_manifest_names": lambda: patch.object(Artifacts, "_not_named", lambda *_: []),
    },
)

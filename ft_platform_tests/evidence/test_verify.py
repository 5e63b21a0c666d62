"""Whatever is deleted, altered or added in a pack is found, without the lake."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.files import folder_hashes, sha256_file
from ft_platform.reporting.evidence.gather import gather
from ft_platform.reporting.evidence.layout import sums
from ft_platform.reporting.evidence.pack import write_pack
from ft_platform.reporting.evidence.verify import problems_of
from ft_platform_tests.evidence.case import small_case


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A pack as it was written, and the sha256 of its zip file."""
    case = small_case()
    evidence = gather(case.lake, case.checkpoint)
    pack = write_pack(case.lake, case.use_case, evidence, tmp_path_factory.mktemp("packs") / "pack")
    return pack.folder, pack.sha256


@pytest.fixture
def pack(whole: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole[0], tmp_path / "pack"))


def test_a_whole_pack_has_no_problems_and_the_check_opens_no_connection(
    whole: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a connection was opened"))
    assert problems_of(whole[0]) == []
    assert problems_of(*whole) == []


def test_any_one_file_that_is_deleted_or_altered_is_found(pack: Path) -> None:
    names = sorted(path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_file())
    assert len(names) > 30
    for name in names:
        path = pack / name
        content = path.read_bytes()
        path.unlink()
        assert any(name in problem for problem in problems_of(pack)), f"deleting {name} was not found"
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert problems_of(pack), f"altering one bit of {name} was not found"
        path.write_bytes(content)
    assert problems_of(pack) == []


@pytest.mark.parametrize(
    "name",
    [
        "extra.html",
        "versions/splits/splits-0/extra.json",
        "versions/model_card/other/report.html",
        "documents/extra.md",
    ],
)
def test_an_added_file_is_found(pack: Path, name: str) -> None:
    (pack / name).parent.mkdir(parents=True, exist_ok=True)
    (pack / name).write_text("{}")
    assert any(name in problem and "added" in problem for problem in problems_of(pack))


def test_a_link_in_place_of_a_file_or_folder_is_found_and_not_followed(pack: Path, tmp_path: Path) -> None:
    index = pack / "index.html"
    (tmp_path / "same.html").write_bytes(index.read_bytes())
    index.unlink()
    index.symlink_to(tmp_path / "same.html")
    (pack / "elsewhere").symlink_to("/")
    found = {"index.html is no file of its own", "elsewhere was added: manifest.json does not list it"}
    assert found <= set(problems_of(pack))


def resealed(pack: Path, change: Callable[[dict[str, Any]], None]) -> list[str]:
    """The problems of a pack whose manifest and sums were made to fit after a change, as someone who knows the format
    would."""
    path = pack / "manifest.json"
    head = json.loads(path.read_text())
    head["files"] = {
        name: digest for name, digest in folder_hashes(pack).items() if name not in ("SHA256SUMS", "SHA256SUMS.sig")
    }
    change(head)
    path.write_text(json.dumps(head))
    (pack / "SHA256SUMS").write_text(sums({**head["files"], "manifest.json": sha256_file(path)}))
    return problems_of(pack)


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def nothing(_: dict[str, Any]) -> None:
    pass


def test_a_report_that_was_changed_with_all_sums_made_to_fit_contradicts_its_manifest(pack: Path) -> None:
    (report,) = pack.glob("versions/fairness_report/*/report.html")
    report.write_text("<p>Fair to all.</p>")
    assert any("is not the file that was published" in problem for problem in resealed(pack, nothing))
    manifest = report.with_name("manifest.json")
    files = json.loads(manifest.read_text())["files"]
    edit(manifest, files={**files, "report.html": sha256_file(report)})
    assert any("contradicts itself" in problem for problem in resealed(pack, nothing))


def test_a_report_that_was_taken_out_with_all_sums_made_to_fit_leaves_a_gap(pack: Path) -> None:
    (report,) = pack.glob("versions/evaluation_report/*/report.html")
    report.unlink()
    assert any("lacks its file report.html" in problem for problem in resealed(pack, nothing))

    def left_out(head: dict[str, Any]) -> None:
        next(one for one in head["versions"] if one["name"] == "evaluation_report")["left_in_the_lake"].append(
            "report.html"
        )

    assert any("which readers need, left out" in problem for problem in resealed(pack, left_out))


def test_a_version_that_was_taken_out_opens_the_chain(pack: Path) -> None:
    shutil.rmtree(pack / "versions" / "permitted_records")

    def without(head: dict[str, Any]) -> None:
        head["versions"] = [one for one in head["versions"] if one["name"] != "permitted_records"]

    assert any(
        "cleaned_records@0 was made from permitted_records@0" in problem and "chain is open" in problem
        for problem in resealed(pack, without)
    )


def test_a_parent_of_other_content_opens_the_chain(pack: Path) -> None:
    (manifest,) = pack.glob("versions/cleaned_records/*/manifest.json")
    edit(manifest, content_hash="0" * 64)

    def relisted(head: dict[str, Any]) -> None:
        next(one for one in head["versions"] if one["name"] == "cleaned_records")["content_hash"] = "0" * 64

    problems = resealed(pack, relisted)
    assert any("anonymized_records@0 was made from cleaned_records@0" in problem for problem in problems)
    assert any("was made on other content" in problem for problem in problems), (
        "the verdicts of cleaned_records are of the old content"
    )


def test_a_pack_without_its_checkpoint_is_none(pack: Path) -> None:
    def other(head: dict[str, Any]) -> None:
        head["checkpoint"] = "ckpt-other"

    assert any("ckpt-other itself is not among the versions" in problem for problem in resealed(pack, other))


def test_another_whole_pack_is_told_apart_by_the_sha256(pack: Path, whole: tuple[Path, str]) -> None:
    (index := pack / "index.html").write_text("<p>Another index.</p>")
    assert index.exists() and resealed(pack, nothing) == []
    assert any("another one than was written" in problem for problem in problems_of(pack, whole[1]))


@pytest.mark.parametrize(
    "name",
    ["/etc/hostname", "../outside.html", "versions/../../outside.html", "a//b", "./index.html", "C:\\outside", ""],
    ids=lambda name: name or "empty",
)
def test_names_that_lead_outside_are_refused_before_anything_is_read(pack: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "outside.html").write_text("outside")

    def outside(head: dict[str, Any]) -> None:
        head["files"][name] = sha256_file(tmp_path / "outside.html")

    assert resealed(pack, outside) == ["manifest.json names files that no pack can hold"]

    def folder(head: dict[str, Any]) -> None:
        del head["files"][name]
        head["versions"][0]["folder"] = name

    (pack / "manifest.json").write_text((pack / "manifest.json").read_text())
    head = json.loads((pack / "manifest.json").read_text())
    folder(head)
    (pack / "manifest.json").write_text(json.dumps(head))
    assert problems_of(pack) == ["manifest.json does not list its versions"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": "other"}',
        '{"format": "ft-evidence/1"}',
        '{"format": "ft-evidence/1", "files": {"a": 1}, "versions": []}',
        "\x00" * 50,
    ],
)
def test_a_manifest_that_makes_no_sense_is_a_problem_and_no_crash(pack: Path, content: str) -> None:
    (pack / "manifest.json").write_text(content)
    assert len(problems_of(pack)) == 1


def test_a_version_or_verdict_that_makes_no_sense_is_a_problem_and_no_crash(pack: Path) -> None:
    (manifest,) = pack.glob("versions/splits/*/manifest.json")
    manifest.write_text('{"name": 1}')
    (pack / "versions/raw_records/raw_records-0/verdicts/rows_are_accounted_for.json").write_text("[")
    problems = resealed(pack, nothing)
    assert "splits@0 has no manifest that can be read" in problems
    assert any(problem.endswith("rows_are_accounted_for.json cannot be read") for problem in problems)


def test_a_pack_that_may_only_be_read_is_checked(pack: Path) -> None:
    for root, folders, names in os.walk(pack):
        for name in (*folders, *names):
            (Path(root) / name).chmod(0o555)
    assert problems_of(pack) == []

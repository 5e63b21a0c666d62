"""The pack of a checkpoint: everything that the lineage leads to, nothing personal, what is missing said, the same
bytes each time."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.errors import ConfigError, CorruptVersion, DataError
from ft_platform.lake.files import sha256_file
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.documents import DOCUMENTS
from ft_platform.reporting.evidence.gather import find_known, gather
from ft_platform.reporting.evidence.pack import Pack, write_pack
from ft_platform.reporting.evidence.verify import problems_of
from ft_platform.stages import STAGES
from ft_platform_tests.evidence.case import NAME, PERSON, Case, publish, small_case

pytestmark = pytest.mark.integration

REPORTS = [stage.name for stage in STAGES.values() if stage.kind == "report" and not stage.on_demand]


@pytest.fixture(scope="module")
def case() -> Case:
    return small_case()


@pytest.fixture(scope="module")
def pack(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return written(case, tmp_path_factory.mktemp("packs") / "pack")


def written(case: Case, out: Path) -> Pack:
    return write_pack(case.lake, case.use_case, gather(case.lake, case.checkpoint), out)


def head(pack: Pack) -> dict:
    return json.loads((pack.folder / "manifest.json").read_text())


def checkpoint_of(case: Case, word: str) -> ArtifactVersion:
    files = {"training.json": {}, "x.txt": word}
    return publish(case.lake, case.use_case, "adapter_checkpoint", [case.splits], files, artifact_id=f"ckpt-{word}")


def test_every_report_and_every_version_behind_it_is_there(case: Case, pack: Pack) -> None:
    listed = {one["name"]: one for one in head(pack)["versions"]}
    tables = {"raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"}
    assert set(listed) == {*tables, "adapter_checkpoint", *REPORTS, "training_audit", "data_docs", "pictures"}
    assert {one["role"] for one in listed.values()} == {"checkpoint", "report", "ancestor"}
    for name in REPORTS:
        assert listed[name]["role"] == "report"
        for file in case.lake.manifest(case.reports[name]).files:
            assert (pack.folder / listed[name]["folder"] / file).exists() == (
                not file.endswith((".parquet", ".safetensors"))
            ), file
    assert pack.missing == []


def test_every_document_is_there_or_said_to_be_missing(case: Case, pack: Pack, tmp_path: Path) -> None:
    names = sorted(document.FILE for document in DOCUMENTS)
    assert head(pack)["documents"] == names and all((pack.folder / "documents" / name).is_file() for name in names)
    copied = case.copy(tmp_path / "home")
    bare = checkpoint_of(copied, "bare")
    other = write_pack(copied.lake, copied.use_case, gather(copied.lake, bare), tmp_path / "pack")
    missing = {one["what"]: one["why"] for one in other.missing}
    assert "did not note which packages were installed" in missing["environment_lock.txt"]
    assert "evaluation_report" in missing
    assert "environment_lock.txt" not in head(other)["documents"]
    assert "environment_lock.txt" in (other.folder / "index.html").read_text()
    assert problems_of(other.folder) == []


def test_every_verdict_is_there_and_on_the_page(case: Case, pack: Pack) -> None:
    text = (pack.folder / "index.html").read_text()
    for stage in STAGES.values():
        for check in stage.checks:
            (path,) = pack.folder.glob(f"versions/{stage.name}/*/verdicts/{check}.json")
            assert json.loads(path.read_text())["passed"] is True
            assert f"{path.relative_to(pack.folder).as_posix()}" in text


def test_nothing_of_the_restricted_zone_but_counts_and_hashes(pack: Pack) -> None:
    name, domain = PERSON.split("@")
    for file in [pack.zip_file, *(path for path in pack.folder.rglob("*") if path.is_file())]:
        content = file.read_bytes()
        assert name.encode() not in content and domain.encode() not in content.replace(b"officer@example.org", b""), (
            file
        )
    (raw,) = pack.folder.glob("versions/raw_records/*/manifest.json")
    manifest = json.loads(raw.read_text())
    assert len(manifest["info"]["source_file_hashes"]) == 1 and manifest["counts"]["rows_read"] == 37


def test_the_same_lake_gives_the_same_bytes(case: Case, pack: Pack, tmp_path: Path) -> None:
    again = written(case, tmp_path / "again")
    assert (again.sha256, again.files) == (pack.sha256, pack.files)
    assert again.sha256 == sha256_file(again.zip_file)


def test_the_zip_file_holds_what_the_folder_holds(pack: Pack, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack.zip_file) as archive:
        archive.extractall(tmp_path)
    there = {
        str(path.relative_to(tmp_path / "adapter_checkpoint-1")): sha256_file(path)
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert there == pack.files
    assert set(pack.files) == {
        path.relative_to(pack.folder).as_posix() for path in pack.folder.rglob("*") if path.is_file()
    }


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum")
def test_sha256sum_checks_the_pack_without_the_platform(pack: Pack) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=pack.folder, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.count(": OK") == len(pack.files) - 1


def test_a_report_that_was_not_made_is_said_to_be_missing(case: Case, tmp_path: Path) -> None:
    copied = case.copy(tmp_path / "home")
    gone = ("fairness_report", "model_card", "release_decision", "sign_off")
    seals = copied.lake.seals(NAME)
    assert seals
    verdict = copied.lake.path_of("shared", NAME, "verdicts", "splits", "splits-0", "no_leakage.json")
    Path(verdict).unlink()
    for name in gone:
        shutil.rmtree(copied.lake.path_of("shared", NAME, name))
    with pytest.raises(CorruptVersion, match="was deleted"):
        gather(copied.lake, copied.checkpoint)
    for path in [
        path for path in seals.paths() if path.split("/")[2] in gone or path.endswith("splits-0/no_leakage.json")
    ]:
        seals.remove(f"{copied.lake.folder}/{path}", "Ana Ruiz: was never made")
    found = gather(copied.lake, copied.checkpoint)
    assert [
        one["what"]
        for one in found.missing
        if one["what"] not in REPORTS or not copied.lake.artifacts(NAME, one["what"])
    ] == [*(name for name in REPORTS if name in gone), "no_leakage of splits@0"]
    pack = write_pack(copied.lake, copied.use_case, found, tmp_path / "pack")
    text = (pack.folder / "index.html").read_text()
    assert "<strong>fairness_report</strong>" in text and "<strong>no_leakage of splits@0</strong>" in text


def test_a_report_that_nobody_listed_is_found_by_its_parents_and_one_of_another_checkpoint_is_not(
    case: Case, tmp_path: Path
) -> None:
    copied = case.copy(tmp_path / "home")
    evaluation = copied.reports["evaluation_report"]
    publish(copied.lake, copied.use_case, "a_later_report", [evaluation], {"later.json": {}}, artifact_id="later-1")
    publish(copied.lake, copied.use_case, "human_review", [copied.splits], {"review.json": {}}, artifact_id="review-1")
    other = checkpoint_of(copied, "other")
    publish(
        copied.lake,
        copied.use_case,
        "evaluation_report",
        [copied.splits, copied.reports["base_evaluation"], other],
        {"m.json": {}},
        artifact_id="eval-other",
    )
    publish(copied.lake, copied.use_case, "without_parents", [], {"x.json": {}}, artifact_id="orphan-1")
    ids = {found.version.id: found.role for found in gather(copied.lake, copied.checkpoint).versions}
    assert (ids["later-1"], ids["review-1"]) == ("report", "report")
    assert not {"ckpt-other", "eval-other", "orphan-1"} & set(ids)


def test_reports_about_the_checkpoint_that_it_was_continued_from_are_left_out(case: Case, tmp_path: Path) -> None:
    copied = case.copy(tmp_path / "home")
    parents = [copied.splits, copied.checkpoint]
    made = publish(copied.lake, copied.use_case, "adapter_checkpoint", parents, {"m.json": {}}, artifact_id="ckpt-b")
    publish(copied.lake, copied.use_case, "model_card", [made], {"card.json": {}}, artifact_id="card-b")
    ids = {found.version.id: found.role for found in gather(copied.lake, made).versions}
    assert (ids[copied.checkpoint.id], ids["card-b"]) == ("ancestor", "report")
    assert not {report.id for stage, report in copied.reports.items() if stage == "evaluation_report"} & set(ids)


def test_a_report_is_taken_with_its_files_even_if_a_later_one_was_read_first(case: Case, tmp_path: Path) -> None:
    copied = case.copy(tmp_path / "home")
    last = publish(copied.lake, copied.use_case, "z_first", [copied.checkpoint], {"z.json": {}}, artifact_id="z-1")
    publish(copied.lake, copied.use_case, "a_summary", [copied.checkpoint, last], {"a.json": {}}, artifact_id="a-1")
    ids = {found.version.id: found.role for found in gather(copied.lake, copied.checkpoint).versions}
    assert ids["z-1"] == "report"


def test_a_report_about_two_checkpoints_brings_the_manifest_of_the_other(case: Case, tmp_path: Path) -> None:
    copied = case.copy(tmp_path / "home")
    other = checkpoint_of(copied, "other")
    publish(copied.lake, copied.use_case, "comparison", [copied.checkpoint, other], {"c.json": {}}, artifact_id="cmp-1")
    pack = written(copied, tmp_path / "pack")
    listed = {one["id"]: one for one in head(pack)["versions"]}
    assert listed["ckpt-other"]["role"] == "ancestor"
    assert sorted(path.name for path in (pack.folder / listed["ckpt-other"]["folder"]).iterdir()) == ["manifest.json"]


def test_the_verdict_of_the_newest_version_of_the_same_rows_counts(case: Case, tmp_path: Path) -> None:
    copied = case.copy(tmp_path / "home")
    anonymized = copied.lake.latest(NAME, "anonymized_records")
    assert anonymized
    manifest, batches = copied.lake.manifest(anonymized), list(copied.lake.read(anonymized))
    cleaned = copied.lake.latest(NAME, "cleaned_records")
    assert cleaned
    again = copied.lake.write_table(
        NAME,
        "anonymized_records",
        batches,
        batches[0].schema,
        zone="shared",
        parents=[cleaned],
        settings_hash=manifest.settings_hash,
        input_hash="again",
    )
    assert (again.id, again.content_hash) == ("anonymized_records@1", anonymized.content_hash)
    copied.lake.add_verdict(again, "no_residual_pii", False, "later", {"rows_with_finding": 1})
    pack = written(copied, tmp_path / "pack")
    assert (
        "Check <strong>no_residual_pii</strong> of anonymized_records@1 failed"
        in (pack.folder / "index.html").read_text()
    )


def test_a_damaged_report_is_not_packed(case: Case, tmp_path: Path) -> None:
    copied = case.copy(tmp_path / "home")
    Path(copied.lake.path_of("shared", NAME, "fairness_report", "fairness_report-1", "report.html")).write_text(
        "<p>All is well.</p>"
    )
    with pytest.raises(CorruptVersion, match=r"report\.html"):
        gather(copied.lake, copied.checkpoint)


def test_a_folder_that_is_no_pack_is_left_alone_and_a_pack_is_replaced(case: Case, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is no evidence pack"):
        written(case, tmp_path / "mine")
    (tmp_path / "other.zip").write_text("mine")
    with pytest.raises(ConfigError, match="is no evidence pack"):
        written(case, tmp_path / "other")
    assert (tmp_path / "other.zip").read_text() == "mine" and not (tmp_path / "other").exists()
    first = written(case, tmp_path / "pack")
    (first.folder / "stray.txt").write_text("x")
    assert written(case, tmp_path / "pack").sha256 == first.sha256
    assert not (first.folder / "stray.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "other.zip", "pack", "pack.zip"]


def test_an_unknown_checkpoint_names_the_known_ones(case: Case) -> None:
    with pytest.raises(DataError, match=r"no checkpoint 'nope'\. There are adapter_checkpoint-1 \(complaints\)"):
        find_known(case.lake, [NAME], "nope")
    assert find_known(case.lake, [NAME], "adapter_ch") == case.checkpoint


def test_the_command_writes_and_verifies(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FT_HOME", str(case.copy(tmp_path / "home").environment.home))
    monkeypatch.setenv("FT_DEFS", str(case.environment.defs))
    for name in ("FT_LAKE_ROOT", "FT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    assert cli.main(["evidence", "adapter_checkpoint-1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["folder"]) == tmp_path / "home" / "evidence" / "adapter_checkpoint-1"
    assert found["sha256"] == sha256_file(Path(f"{found['folder']}.zip")) and len(found["files"]) > 20
    assert cli.main(["evidence", "verify", found["folder"], "--sha256", found["sha256"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "problems": [], "signature": "none"}
    (Path(found["folder"]) / "index.html").write_text("<p>Better.</p>")
    assert cli.main(["evidence", "verify", found["folder"], "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
    for words, message in {
        ("evidence", "nope"): "There are adapter_checkpoint-1 (complaints)",
        ("evidence", "verify"): "got 1 words",
        ("evidence", "verify", str(tmp_path / "nothing")): "there is no folder",
        ("evidence", "verify", found["folder"], "--out", "x"): "--out and --sign-with are for",
    }.items():
        assert cli.main(list(words)) == 1
        assert message in capsys.readouterr().err


def test_settings_that_changed_since_are_not_quoted(case: Case, tmp_path: Path) -> None:
    release = case.use_case.settings.release.model_copy(update={"intended_use": "Something else altogether."})
    settings = case.use_case.settings.model_copy(update={"release": release})
    changed = case.use_case.model_copy(update={"settings": settings})
    evidence = gather(case.lake, case.checkpoint)
    for use_case, quoted in ((case.use_case, True), (changed, False), (None, False)):
        pack = write_pack(case.lake, use_case, evidence, tmp_path / "pack")
        text = (pack.folder / "index.html").read_text()
        assert ("Suggests the product of a complaint" in text) == quoted and "Something else" not in text

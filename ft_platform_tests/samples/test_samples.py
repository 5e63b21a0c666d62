"""Samples are the same everywhere, hold what their truth file says, and are neither trivial nor hopeless."""

import csv
import io
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ft_platform.errors import SourceError
from ft_platform.privacy.entities import all_recognizers
from ft_platform.privacy.gold import gold_texts
from ft_platform.sources.samples import complaints, feedback, personal_data, sample_file, support, truth_file
from ft_platform.sources.samples.generator import sentences_around
from ft_platform_tests.near_duplicates.all_pairs import find_near_duplicates


def complaint_rows(text: str) -> dict[str, dict[str, str]]:
    return {row["Complaint ID"]: row for row in csv.DictReader(io.StringIO(text))}


def planted(truth: dict, kind: str) -> dict[str, dict]:
    """Key -> planted thing of one kind."""
    return {key: thing for key, things in truth["records"].items() for thing in things if thing["kind"] == kind}


@pytest.mark.integration
@pytest.mark.parametrize("name", ["complaints", "feedback", "support"])
def test_a_sample_is_the_same_in_every_process(tmp_path: Path, name: str) -> None:
    uri, folder = f"sample://{name}?rows=300&seed=3", str(tmp_path / "other")
    code = (
        f"from pathlib import Path; from ft_platform.sources.samples import sample_file; print(sample_file({uri!r},"
        f" Path({folder!r})))"
    )
    other = Path(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "99"}
        ).stdout.strip()
    )
    own = sample_file(uri, tmp_path / "own")
    assert own.read_bytes() == other.read_bytes() and own.name == other.name
    assert truth_file(own).read_bytes() == truth_file(other).read_bytes()
    assert sample_file(f"sample://{name}?rows=300&seed=4", tmp_path / "own").read_bytes() != own.read_bytes()


def test_a_sample_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    path = sample_file("sample://support?rows=100", tmp_path)
    before = path.stat()
    assert sample_file("sample://support?rows=100", tmp_path).stat().st_mtime_ns == before.st_mtime_ns
    truth_file(path).unlink()
    sample_file("sample://support?rows=100", tmp_path)
    assert truth_file(path).exists(), "a sample without its truth is generated again"


@pytest.mark.parametrize(
    "uri",
    [
        "sample://complaint",
        "sample://complaints?rows=5",
        "sample://complaints?rows=many",
        "sample://complaints?row=500",
        "sample://support?seed=-1",
        "sample://support?bias=5",
        "sample://complaints?bias=101",
        "sample://feedback?bias=5",
        "sample://feedback?shuffled=101",
        "sample://feedback?rows=100000",
    ],
)
def test_a_wrong_sample_uri_is_an_error_that_shows_a_right_one(tmp_path: Path, uri: str) -> None:
    with pytest.raises(SourceError, match="sample://"):
        sample_file(uri, tmp_path)
    assert not list(tmp_path.iterdir())


PLANTED_ENTITIES = {entity for entity, spec in personal_data.material()["sentences"].items() if spec["weight"]}


@pytest.mark.parametrize("name", ["complaints", "support"])
def test_every_kind_of_fault_is_planted_and_noted(name: str) -> None:
    module = {"complaints": complaints, "support": support}[name]
    _, truth = module.generate(module.DEFAULT_ROWS, 7)
    kinds = Counter(thing["kind"] for things in truth["records"].values() for thing in things)
    assert {"consent", "exact_duplicate", "near_duplicate", "pii", "mojibake", "html", "empty", "over_long"} <= set(
        kinds
    )
    reasons = Counter(thing["reason"] for thing in planted(truth, "consent").values())
    assert set(reasons) == {"consent_missing", "consent_not_accepted", "consent_withdrawn"}
    assert min(kinds.values()) >= 2
    if name == "complaints":
        assert kinds["label_noise"] > 10
    assert {
        thing["entity"] for things in truth["records"].values() for thing in things if thing["kind"] == "pii"
    } == PLANTED_ENTITIES


def test_personal_data_of_every_kind_with_a_recognizer_is_planted_in_a_form_it_accepts() -> None:
    assert set(personal_data.GENERATORS) == {
        entity for entity, recognizer in all_recognizers().items() if not getattr(recognizer, "optional", False)
    }
    text, truth = complaints.generate(complaints.DEFAULT_ROWS, 7)
    rows = complaint_rows(text)
    found: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for key, things in truth["records"].items():
        for thing in (t for t in things if t["kind"] == "pii"):
            narrative = rows[key]["Consumer complaint narrative"]
            assert thing["value"] in narrative
            spans = all_recognizers()[thing["entity"]].find(narrative)
            total[thing["entity"]] += 1
            found[thing["entity"]] += any(thing["value"] in narrative[s.start : s.end] for s in spans)
    for entity in (
        "EMAIL",
        "PHONE",
        "US_SSN",
        "CREDIT_CARD",
        "IBAN",
        "IP_ADDRESS",
        "MAC_ADDRESS",
        "DE_TAX_ID",
        "UK_NINO",
        "ES_DNI",
        "URL_CREDENTIALS",
        "DATE_OF_BIRTH",
    ):
        assert found[entity] == total[entity] > 0, entity


def test_complaints_have_the_columns_of_the_public_database_and_varied_texts() -> None:
    text, truth = complaints.generate(1600, 7)
    rows = list(complaint_rows(text).values())
    assert len(rows) == 1600 and tuple(rows[0]) == complaints.COLUMNS
    clean = [r["Consumer complaint narrative"] for r in rows if r["Complaint ID"] not in truth["records"]]
    assert len(set(clean)) == len(clean), "no text comes twice unless it is planted"
    words = [len(t.split()) for t in clean]
    assert 30 <= sum(words) / len(words) <= 50
    shares = sorted(count / 1600 for count in Counter(r["Product"] for r in rows).values())
    assert shares[-1] > 0.2 and shares[0] < 0.02


@pytest.mark.real_data
def test_the_columns_are_those_of_a_real_export(shared_data: Path) -> None:
    with open(shared_data / "cfpb_2020" / "complaints_sample.csv", encoding="utf-8") as file:
        assert tuple(next(csv.reader(file))) == complaints.COLUMNS


@pytest.mark.integration
def test_planted_duplicates_and_no_others_are_near_duplicates() -> None:
    text, truth = complaints.generate(1600, 7)
    rows = [r for r in complaint_rows(text).values() if 20 <= len(r["Consumer complaint narrative"]) < 20_000]
    found = find_near_duplicates([r["Consumer complaint narrative"] for r in rows], 0.85)
    pairs = {(rows[i]["Complaint ID"], rows[j]["Complaint ID"]) for i, j in found.pairs}
    expected = {
        (thing["of"], key)
        for kind in ("exact_duplicate", "near_duplicate")
        for key, thing in planted(truth, kind).items()
    }
    assert expected <= pairs
    assert len(pairs - expected) <= 2


def test_support_answers_are_in_the_house_style_and_of_the_asked_length() -> None:
    text, truth = support.generate(support.DEFAULT_ROWS, 7)
    items = json.loads(text)
    assert list(items[0]) == ["instruction", "input", "output", "consent", "customer_id", "region"]
    assert all(15 <= len(item["output"].split()) <= 50 and item["output"].endswith("Lakeside Care") for item in items)
    roaming = {
        item["output"].split("countries ")[1].split(".")[0]
        for item in items
        if item["input"] == "Plan: Flex" and "roaming" in item["output"].split(".")[0]
    }
    assert roaming == {"you pay 2 dollars per day"}, "the answer follows from topic and plan"
    customers = Counter(item["customer_id"] for item in items)
    assert max(customers.values()) > 1 and len(customers) < len(items)
    assert truth["key"] == "source_position" and set(truth["records"]) <= {str(i) for i in range(1, len(items) + 1)}


@pytest.mark.integration
def test_complaints_are_neither_trivial_nor_hopeless_and_older_customers_are_harder() -> None:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits

    text, truth = complaints.generate(1600, 7)
    skipped = {
        *planted(truth, "exact_duplicate"),
        *planted(truth, "near_duplicate"),
        *planted(truth, "empty"),
        *planted(truth, "consent"),
    }
    rows = [r for key, r in complaint_rows(text).items() if key not in skipped]
    product_label = {
        product: label for label, spec in complaints.material()["labels"].items() for product in spec["products"]
    }
    labels = np.array([product_label[r["Product"]] for r in rows])
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), LogisticRegression(C=10, max_iter=1000)
    )
    narratives, folds = (
        [r["Consumer complaint narrative"] for r in rows],
        StratifiedKFold(5, shuffle=True, random_state=0),
    )
    with threadpool_limits(1):
        right = cross_val_predict(model, narratives, labels, cv=folds) == labels
    older = np.array(["Older American" in r["Tags"] for r in rows])
    assert 0.72 <= right.mean() <= 0.88, "measured: 0.80"
    assert right[~older].mean() - right[older].mean() > 0.05, "measured: 0.81 against 0.75"


@pytest.mark.parametrize("name", ["complaints", "support"])
def test_no_template_is_left_in_a_text(name: str) -> None:
    text, _ = {"complaints": complaints, "support": support}[name].generate(1000, 1)
    narratives = (
        [r["Consumer complaint narrative"] for r in complaint_rows(text).values()]
        if name == "complaints"
        else [i["instruction"] + i["output"] for i in json.loads(text)]
    )
    assert not [n for n in narratives if re.search(r"[\[\]{}|]", n)]


@pytest.mark.integration
def test_planted_bias_is_wrong_labels_of_one_group_in_one_direction_and_nothing_else() -> None:
    (plain, _), (biased, truth) = complaints.generate(1600, 7), complaints.generate(1600, 7, bias=60)
    before, after = complaint_rows(plain), complaint_rows(biased)
    changed = {key for key in before if before[key] != after[key]}
    noted = planted(truth, "label_bias")
    assert changed and truth["bias"] == 60
    products = complaints.material()["labels"][complaints.BIASED_TO]["products"]
    for key in changed:
        assert {name for name in before[key] if before[key][name] != after[key][name]} <= {"Product"} and after[key][
            "Product"
        ] in products
    copies = {*planted(truth, "exact_duplicate"), *planted(truth, "near_duplicate")}
    assert changed - copies <= set(noted) and all("Older American" in after[key]["Tags"] for key in noted)
    older = [key for key in after if "Older American" in after[key]["Tags"]]
    assert 0.4 * len(older) < len(noted) < 0.7 * len(older)


@pytest.mark.integration
def test_planted_bias_raises_the_gap_of_what_is_learned_and_weights_lower_it() -> None:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    from ft_platform.training.mitigation import reweighing

    product_label = {
        product: label for label, spec in complaints.material()["labels"].items() for product in spec["products"]
    }
    gaps = {}
    for bias in (0, 90):
        rows = [
            row
            for row in complaint_rows(complaints.generate(1600, 7, bias=bias)[0]).values()
            if row["Consumer complaint narrative"].strip()
        ]
        noted = np.array([product_label[row["Product"]] == complaints.BIASED_TO for row in rows])
        older = np.array(["Older American" in row["Tags"] for row in rows])
        texts = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(
            row["Consumer complaint narrative"] for row in rows
        )
        half = np.arange(len(rows)) % 2 == 0
        weights = {
            "none": None,
            "reweighting": reweighing(older[half].astype(str).tolist(), noted[half].astype(str).tolist()),
        }
        for mitigation, weight in weights.items():
            with threadpool_limits(1):
                said = LogisticRegression(C=3).fit(texts[half], noted[half], sample_weight=weight).predict(texts[~half])
            gaps[bias, mitigation] = float(said[older[~half]].mean() - said[~older[~half]].mean())
    assert abs(gaps[0, "none"]) < 0.06 and gaps[90, "none"] > 0.15, gaps
    assert abs(gaps[90, "reweighting"]) < gaps[90, "none"] / 2, gaps


def feedback_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_feedback_is_made_of_real_sentences_once_each_and_a_review_is_a_customer() -> None:
    text, truth = feedback.generate(600, 7)
    rows, changed = feedback_rows(text), set(truth["records"])
    ratings = {sentence: (review, product, rating) for review, product, rating, sentence in feedback.sentences()}
    untouched = [row for row in rows if row["Feedback ID"] not in changed]
    assert len(rows) == 600 and len(untouched) > 400
    for row in untouched:
        review, product, rating = ratings[row["Feedback"]]
        assert (row["Customer"], row["Product"]) == (f"C-{1000 + int(review)}", product)
        assert row["Sentiment"] == ("praise" if rating > 0 else "problem") and abs(rating) >= 0.5
    assert len({row["Feedback"] for row in untouched}) == len(untouched)
    for column in ("May be used", "Age group", "Region"):
        assert len({(row["Customer"], row[column]) for row in rows}) == len({row["Customer"] for row in rows}), (
            "one value for each customer"
        )


def test_the_sentences_name_their_source_and_licence() -> None:
    head = (Path(feedback.__file__).parent / "feedback.tsv").read_text(encoding="utf-8").split("\n1\t")[0]
    assert "vaderSentiment 3.3.2" in head and "MIT" in head and all(line.startswith("#") for line in head.splitlines())
    assert "feedback.tsv" in (Path(feedback.__file__).parents[3] / "NOTICE").read_text(encoding="utf-8")


def test_faults_of_feedback_are_planted_and_noted() -> None:
    text, truth = feedback.generate(feedback.DEFAULT_ROWS, 7)
    kinds = Counter(thing["kind"] for things in truth["records"].values() for thing in things)
    assert set(kinds) == {"consent", "exact_duplicate", "pii", "html", "empty"} and min(kinds.values()) > 10
    rows = {row["Feedback ID"]: row for row in feedback_rows(text)}
    for key, thing in planted(truth, "exact_duplicate").items():
        assert {**rows[key], "Feedback ID": ""} == {**rows[thing["of"]], "Feedback ID": ""}
    assert all(thing["value"] in rows[key]["Feedback"] for key, thing in planted(truth, "pii").items())


def test_shuffled_answers_are_the_same_ones_in_another_order() -> None:
    plain, shuffled = (feedback_rows(feedback.generate(1000, 7, **more)[0]) for more in ({}, {"shuffled": 100}))
    assert [{**row, "Sentiment": ""} for row in plain if row["Feedback"]] != []
    pairs = [
        (one["Sentiment"], other["Sentiment"])
        for one, other in zip(plain, shuffled, strict=True)
        if one["Feedback"] == other["Feedback"]
    ]
    share = sum(one == "praise" for one, _ in pairs) / len(pairs)
    agree = sum(one == other for one, other in pairs) / len(pairs)
    assert abs(agree - (share**2 + (1 - share) ** 2)) < 0.06, "as often as chance"
    assert abs(sum(other == "praise" for _, other in pairs) / len(pairs) - share) < 0.02


def test_texts_for_measuring_recall_are_made_of_the_sample_s_own_sentences() -> None:
    around = sentences_around("sample://feedback?rows=300")
    assert around is not None and len(around) == feedback.most_rows()
    assert sentences_around("sample://complaints") is None, "its sentences are made up, as those of the platform are"
    for one in gold_texts(per_entity=2, around=around):
        ((start, end, entity),) = one.spans
        assert entity in personal_data.GENERATORS and one.text[start:end].strip() == one.text[start:end]
        assert any(one.text.startswith(sentence) for sentence in around) and any(
            one.text.endswith(sentence) for sentence in around
        )

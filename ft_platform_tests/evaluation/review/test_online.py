"""A review in the portal: who judges what, what counts, when it may end, what is published. Persons are fictitious."""

import io
import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ft_platform.cli import main
from ft_platform.errors import AnswersRefused, ConfigError, DataError, FtError, MayNot, NotCurrent
from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED
from ft_platform.evaluation.review.figures import RATINGS, read_review, reviews_of
from ft_platform.evaluation.review.judgements import Better, Judgements, erase_records, file_of
from ft_platform.evaluation.review.online import (
    PAIRS,
    Criterion,
    Review,
    criteria_in,
    drop,
    newest_review,
    open_review,
    published,
    start_review,
)
from ft_platform.evaluation.review.rating import begin, judge
from ft_platform.lake.gate import problems_with
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.person import Person, named
from ft_platform.reporting.publishing.review import publish_review
from ft_platform.web.portal_pages.asking import Asking
from ft_platform.web.portal_pages.review_views import BY_CHANCE, reviews_view
from ft_platform_tests.web.review_office import EVE, MARIA, TOM, UMA, ReviewOffice

CRITERIA = criteria_in(["correct: wrong | right", "polite: rude | kind"])
SCORES = {"score_0_a": "5", "score_0_b": "1", "score_1_a": "3", "score_1_b": "3"}


@pytest.fixture
def office(tmp_path: Path) -> ReviewOffice:
    return ReviewOffice(tmp_path, rows=100)


def started(office: ReviewOffice, **told: object) -> Review:
    who = (office.lake, office.use_case, named(MARIA), office.permissions)
    return start_review(*who, **{"most": 20, **told})  # type: ignore[arg-type]


def given(office: ReviewOffice, review: Review, name: str) -> str:
    """Begins, or goes on. Returns the record."""
    begin(office.lake, office.use_case, named(name), office.permissions)
    found = review.judgements.given_to(name)
    assert found
    return found


def say(office: ReviewOffice, review: Review, name: str, wins: str = FINE_TUNED, **said: str) -> str:
    """Judges the record before a rater: this system, or `equal` or `both_bad`, is better. Returns the record."""
    record = review.judgements.given_to(name) or given(office, review, name)
    side: Better | str = wins
    if wins in (FINE_TUNED, ALTERNATIVE):
        side = "a" if review.first_for(name, record) == wins else "b"
    place = list(review.pairs).index(record)
    form = {"better": side, **(SCORES if review.criteria else {}), **said}
    judge(office.lake, office.use_case, named(name), office.permissions, place, form)
    return record


def test_a_review_has_differing_records_in_a_random_order_and_sides_that_nobody_can_tell(office: ReviewOffice) -> None:
    review = started(office)
    assert len(review.pairs) == review.most == 20 and list(review.pairs) != sorted(review.pairs)
    firsts = {name: [review.first_for(name, record) for record in map(str, range(400))] for name in (TOM, UMA)}
    assert firsts[TOM] != firsts[UMA]
    assert all(150 < found.count(FINE_TUNED) < 250 for found in firsts.values())
    told = json.dumps({name: value for name, value in review.said.items() if name != "secret"})
    assert not [pair for pair in review.pairs.values() if pair.record_id in told], (
        "the lake's statement names no record"
    )


def test_what_cannot_be_started_says_why(office: ReviewOffice) -> None:
    for told, problem in (
        ({"most": 4}, "5 to 1000 records"),
        ({"alternative": "majority"}, "no system 'majority'"),
        ({"raters": ["expert"]}, "an e-mail address or domain_expert, got 'expert'"),
        ({"raters": [EVE]}, f"{EVE}: in complaints, only the domain expert"),
        ({"criteria": [Criterion("correct", "wrong", "right")] * 2}, "different criteria, got 2"),
        ({"criteria": [Criterion("correct", "", "right")]}, "says what 1 and 5 mean"),
    ):
        with pytest.raises(ConfigError, match=problem):
            started(office, **told)
    with pytest.raises(ConfigError, match="is written as"):
        criteria_in(["correct"])
    assert newest_review(office.lake, office.use_case) is None
    started(office)
    with pytest.raises(DataError, match="a review of complaints is open"):
        started(office)


def test_only_raters_judge_and_only_what_they_were_given(office: ReviewOffice) -> None:
    review = started(office, raters=[TOM])
    for name, why in ((UMA, "is not among the raters"), (EVE, "only the domain expert")):
        with pytest.raises(MayNot, match=why):
            begin(office.lake, office.use_case, named(name), office.permissions)
    record = given(office, review, TOM)
    place = list(review.pairs).index(record)
    other = next(number for number in range(20) if number != place)
    with pytest.raises(NotCurrent, match="not yours to judge"):
        judge(office.lake, office.use_case, named(TOM), office.permissions, other, {"better": "a"})
    with pytest.raises(NotCurrent, match="is gone"):
        judge(office.lake, office.use_case, named(TOM), office.permissions, 20, {"better": "a"})
    with pytest.raises(ConfigError, match="one of a, b, equal, both_bad"):
        judge(office.lake, office.use_case, named(TOM), office.permissions, place, {"better": "c"})
    assert review.judgements.all() == []


def test_raters_share_the_records_and_every_fifth_is_judged_twice(office: ReviewOffice) -> None:
    review = started(office)
    records = list(review.pairs)
    # Answers that are all equal end no review before a third of its records.
    for _ in range(4):
        say(office, review, TOM, "equal")
        say(office, review, UMA, "equal")
    said = Counter(one.record for one in review.judgements.all())
    assert {record for record, count in said.items() if count == 2} == {records[0], records[5]}
    assert set(records[:6]) <= set(said), "from the first on, none is left out"
    assert all(
        len({one.person for one in review.judgements.all() if one.record == record}) == said[record] for record in said
    )


def test_a_record_of_somebody_who_went_away_is_given_to_another_and_the_late_word_counts_too(
    office: ReviewOffice,
) -> None:
    review = started(office)
    records = list(review.pairs)
    say(office, review, TOM)
    assert review.judgements.given_to(TOM) == records[1]
    assert [say(office, review, UMA) for _ in range(6)] == [records[place] for place in (0, 2, 3, 4, 1, 5)]
    say(office, review, TOM)
    assert {one.person for one in review.judgements.all() if one.record == records[1]} == {TOM, UMA}


def test_who_has_nothing_else_left_gets_what_another_one_holds(office: ReviewOffice) -> None:
    review = started(office, most=5)
    records = list(review.pairs)
    begin(office.lake, office.use_case, named(TOM), office.permissions)
    assert [say(office, review, UMA) for _ in range(4)] == records[:4]
    assert given(office, review, TOM) == records[0]
    say(office, review, TOM)
    assert review.judgements.given_to(UMA) == records[4] == given(office, review, TOM)


def test_records_count_up_to_the_first_that_is_not_judged(office: ReviewOffice) -> None:
    review = started(office)
    records = list(review.pairs)
    assert say(office, review, TOM) == records[0]
    assert review.judgements.given_to(TOM) == records[1]
    assert [say(office, review, UMA) for _ in range(3)] == [records[0], records[2], records[3]]
    assert review.standing(review.judgements.all()).records == 1
    say(office, review, TOM)
    assert review.standing(review.judgements.all()).records == 4


def test_a_second_word_of_a_rater_is_a_correction_and_the_first_word_of_a_record_counts(office: ReviewOffice) -> None:
    review = started(office)
    record = say(office, review, TOM, comment="Better")
    assert say(office, review, UMA, ALTERNATIVE) == record
    assert review.standing(review.judgements.all()).win_rate["value"] == 1.0  # type: ignore[index]
    place = list(review.pairs).index(record)
    judge(office.lake, office.use_case, named(TOM), office.permissions, place, {"better": "equal", "comment": "Both"})
    said = review.judgements.all()
    assert (said[0].person, said[0].better, said[0].comment, len(said)) == (TOM, "equal", "Both", 2)
    assert review.standing(said).win_rate["value"] == 0.5  # type: ignore[index]
    figures = review.answers(said)
    assert figures.ratings == {"rater_1": {record: "tie"}, "rater_2": {record: ALTERNATIVE}}


def test_a_comment_with_personal_data_and_missing_scores_are_refused(office: ReviewOffice) -> None:
    review = started(office, criteria=CRITERIA)
    record = given(office, review, TOM)
    with pytest.raises(AnswersRefused, match=r"personal data \(EMAIL") as refused:
        say(office, review, TOM, comment="Write to jon.doe@example.net")
    assert "jon.doe" not in str(refused.value)
    with pytest.raises(ConfigError, match="polite: both answers need a score"):
        say(office, review, TOM, score_1_b="")
    with pytest.raises(ConfigError, match="correct: both answers need a score"):
        say(office, review, TOM, score_0_a="6")
    assert review.judgements.all() == [] and review.judgements.given_to(TOM) == record


def test_the_review_ends_publishes_what_the_gate_reads_and_takes_nothing_more(office: ReviewOffice) -> None:
    review = started(office, criteria=CRITERIA)
    while not review.standing(review.judgements.all()).end:
        say(office, review, TOM, comment="Clearer")
        if not review.standing(review.judgements.all()).end:
            say(office, review, UMA, "both_bad" if len(review.judgements.all()) == 1 else FINE_TUNED)
    report, figures = publish_review(office.lake, office.use_case, named(MARIA))
    assert problems_with(office.lake, office.use_case, report) == []
    assert reviews_of(office.lake, office.case.evaluation) == [report] and read_review(office.lake, report) == figures
    assert figures["sequential"] == {"end": "reached", "most": 20, "least": 0.5}
    assert figures["win_rate"]["low"] >= 0.5 and figures["rows"] < 20 and figures["both_bad"] == 1
    assert {one["rater"] for one in figures["raters"]} == {"rater_1", "rater_2"}
    assert [one["criterion"] for one in figures["rubric"]] == ["correct", "polite"]
    text = office.lake.read_file(report, "report.html").decode()
    assert "It could end at any record" in text and "confidence sequence" in text
    for name in (TOM, UMA, MARIA, "Clearer"):
        assert name not in text and name not in json.dumps(figures)
    ratings = pq.read_table(io.BytesIO(office.lake.read_file(report, RATINGS))).to_pylist()
    assert len(ratings) == len(review.judgements.all())
    assert set(ratings[0]) == {"record_id", "rater", "preferred"}
    comments = pq.read_table(io.BytesIO(office.lake.read_file(report, "comments.parquet"))).to_pylist()
    assert {one["comment"] for one in comments} == {"Clearer"} and {one["rater"] for one in comments} == {"rater_1"}
    assert published(office.lake, review) and open_review(office.lake, office.use_case) is None
    with pytest.raises(NotCurrent, match="has ended"):
        review.judgements.say(TOM, ratings[0]["record_id"], "a", {}, "")
    with pytest.raises(DataError, match="no review of complaints is open"):
        publish_review(office.lake, office.use_case, named(MARIA))
    noted = [(one.kind, one.what, one.person) for one in AuditLog(office.lake).entries()]
    assert ("evidence", "started a review of answers", MARIA) in noted
    assert noted.count(("annotation", "began to judge answers", TOM)) == 1
    assert ("evidence", "published a review of answers", MARIA) in noted
    started(office)


def test_scores_belong_to_the_right_system(office: ReviewOffice) -> None:
    review = started(office, criteria=CRITERIA[:1])
    for _ in range(6):
        record = review.judgements.given_to(TOM) or given(office, review, TOM)
        ours = review.first_for(TOM, record) == FINE_TUNED
        say(office, review, TOM, "equal", score_0_a="5" if ours else "2", score_0_b="2" if ours else "5")
    _, figures = publish_review(office.lake, office.use_case, named(MARIA))
    (row,) = figures["rubric"]
    assert (row["fine_tuned"], row["alternative"], row["difference"]["value"]) == (5.0, 2.0, 3.0)


def test_a_publishing_that_was_killed_goes_on_and_nothing_is_judged_between(
    office: ReviewOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = started(office)
    record = say(office, review, TOM)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ft_platform.reporting.publishing.review.online_figures", killed)
    with pytest.raises(KeyboardInterrupt):
        publish_review(office.lake, office.use_case, named(MARIA))
    monkeypatch.undo()
    with pytest.raises(NotCurrent, match="has ended"):
        review.judgements.say(TOM, record, "equal", {}, "")
    report, figures = publish_review(office.lake, office.use_case, named(MARIA))
    assert figures["rows"] == 1 and published(office.lake, review) == report


def test_a_dropped_review_leaves_no_judgement(office: ReviewOffice) -> None:
    review = started(office)
    say(office, review, TOM, comment="A comment to be removed")
    with pytest.raises(ConfigError, match="at least 10"):
        drop(office.lake, office.use_case, named(MARIA), "no")
    drop(office.lake, office.use_case, named(MARIA), "Started with the wrong system")
    assert newest_review(office.lake, office.use_case) is None and review.judgements.all() == []
    assert ("evidence", "dropped a review of answers", MARIA) in [
        (one.kind, one.what, one.person) for one in AuditLog(office.lake).entries()
    ]
    assert b"to be removed" not in file_of(office.lake, "complaints").read_bytes()
    started(office)


def test_an_erasure_reaches_judgements_comments_and_the_answers_that_are_left(office: ReviewOffice) -> None:
    review = started(office)
    first, second = (
        say(office, review, TOM, comment="About Zebulon"),
        say(office, review, TOM, comment="Of zebulon QUUX"),
    )
    held = given(office, review, TOM)
    assert erase_records(office.lake, "complaints", [first, held], ["Zebulon Quux"]) == 2
    assert [(one.record, one.comment) for one in review.judgements.all()] == [(second, "")]
    assert review.judgements.given_to(TOM) is None
    content = file_of(office.lake, "complaints").read_bytes().lower()
    assert b"zebulon" not in content and first.encode() not in content
    assert PAIRS in {table.name for table in tables(office)}, "the table of answers lies where an erasure looks"
    assert erase_records(office.lake, "another", [first]) == 0


def tables(office: ReviewOffice) -> list:
    from ft_platform.erasure.tables import tables_of

    return list(tables_of(office.lake, "complaints"))


def rate_for_ever(file: Path, review: str, person: str, records: list[str], told: Path) -> None:
    """In a process of its own: notes what is kept, after it is kept."""
    store = Judgements.__new__(Judgements)
    store._file, store._review = file, review
    store.begin(person)
    while (record := store.give(person, dict.fromkeys(records, 2))) is not None:
        store.say(person, record, "a", {}, "")
        with told.open("a") as lines:
            lines.write(f"{record}\n")
            lines.flush()
            os.fsync(lines.fileno())


def test_two_raters_at_once_and_a_killed_process_lose_nothing(office: ReviewOffice, tmp_path: Path) -> None:
    review, records = started(office), [f"record-{number}" for number in range(3000)]
    file = file_of(office.lake, "complaints")
    context = multiprocessing.get_context("fork")
    told = {name: tmp_path / f"{name}.txt" for name in (TOM, UMA)}
    raters = [context.Process(target=rate_for_ever, args=(file, review.id, name, records, told[name])) for name in told]
    for one in raters:
        one.start()
    until = time.monotonic() + 60
    while time.monotonic() < until and not all(path.exists() and len(path.read_text()) > 200 for path in told.values()):
        time.sleep(0.05)
    for one in raters:
        assert one.pid
        os.kill(one.pid, signal.SIGKILL)
        one.join()
    for name, path in told.items():
        noted = path.read_text().splitlines()
        kept = [one.record for one in review.judgements.all() if one.person == name]
        assert len(noted) >= 10 and kept[: len(noted)] == noted and len(kept) - len(noted) <= 1


def test_on_the_terminal(office: ReviewOffice, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in office.environment.to_variables().items():
        monkeypatch.setenv(name, value)

    def ft(*words: str) -> tuple[int, str]:
        code = main(["review", *words])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    assert "no review of complaints is open" in ft("status", "complaints")[1]
    code, text = ft("start", "complaints", "--rows", "20", "--criterion", "correct: wrong | right", "--by", MARIA)
    assert code == 0 and "at most 20 records" in text, text
    review = open_review(office.lake, office.use_case)
    assert review and review.said["person"] == MARIA and review.said["secret"] not in text
    assert "The review goes on." in ft("status", "complaints")[1]
    assert "nobody has judged an answer" in ft("publish", "complaints")[1]
    while not review.standing(review.judgements.all()).end:
        say(office, review, TOM)
    code, text = ft("status", "complaints", "--json")
    assert json.loads(text)["end"] == "reached"
    assert "only" in ft("publish", "complaints", "--by", "nobody@example.org")[1]
    code, text = ft("publish", "complaints")
    assert code == 0 and "Experts prefer the trained model" in text and "report.html" in text
    assert ft("start", "complaints", "--rows", "20")[0] == 0
    code, text = ft("drop", "complaints", "--reason", "Only tried how it works")
    assert code == 0 and "is dropped" in text


def test_persons_are_not_told_apart_by_case(office: ReviewOffice) -> None:
    review = started(office, raters=[TOM.upper()])
    begin(office.lake, office.use_case, Person(TOM), office.permissions)
    assert review.judgements.raters() == {TOM: "rater_1"}


def test_a_lake_without_keys_has_no_reviews(office: ReviewOffice) -> None:
    office.lake.signing = None
    with pytest.raises(FtError, match="key"):
        file_of(office.lake, "complaints")


def test_who_chooses_by_side_is_pointed_out_and_who_judges_by_answers_is_not(office: ReviewOffice) -> None:
    review = started(office)
    for name in (TOM, UMA):
        review.judgements.begin(name)
    for _ in range(12):
        for name in (TOM, UMA):
            record = review.judgements.give(name, dict.fromkeys(review.pairs, 2))
            assert record
            by_answer: Better = "a" if review.first_for(name, record) == FINE_TUNED else "b"
            review.judgements.say(name, record, "a" if name == TOM else by_answer, {}, "")
    values = reviews_view(Asking(office.lake, office.use_case, office.permissions, named(MARIA))).values
    first = {one["rater"]: one["first_p"] for one in values["figures"]["raters"]}
    assert first["rater_1"] == pytest.approx(2 * 0.5**12)
    assert values["sided"] == ["rater_1", *(["rater_2"] if first["rater_2"] < BY_CHANCE else [])]

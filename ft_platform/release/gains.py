"""Whether the fine-tuned model is better than another system, for the rules that compare them."""

from ft_platform.evaluation.metric import Metric, all_metrics, metric
from ft_platform.release.evidence import NotProven
from ft_platform.release.figures import more_records
from ft_platform.release.rule import Finding
from ft_platform.release.schema import ComparedChampion, EvaluationEvidence, Figure, FreshEvidence

CHAMPION = "champion"


def none_to_beat(_: object) -> Finding:
    """What is found of the champion where there is none."""
    return Finding(True, "No earlier checkpoint was accepted, so there is none to beat.")


def known_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        NotProven: there is none.
    """
    if name not in all_metrics():
        raise NotProven(f"there is no metric {name}")
    return metric(name)


def gained(
    main: Metric,
    found: Figure,
    margin: float,
    said: str,
    rows: int = 0,
    *,
    may_lose: float = 0.0,
    suggests: bool = False,
) -> Finding:
    """Whether the whole interval of a difference to another system is better by more than a margin.

    Args:
        rows: test records behind it; 0: no number of records is named that would prove it.
        may_lose: above 0, a simpler model than the other, for which it is enough to lose less.
        suggests: the figure alone is enough (`gate.claim`).
    """
    gain = found if main.higher_is_better else Figure(value=-found.value, low=-found.high, high=-found.low)
    text = f"{main.title}: {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) {said}"
    if gain.low > margin:
        return Finding(True, f"{text}.", gain)
    if may_lose and main.higher_is_better and gain.low > -may_lose:
        why = f"{text}. It is a simpler model than the champion, so it need not be better, and loses less than"
        return Finding(True, f"{why} {may_lose:g}.", gain)
    why = f"{text}: {'a tie' if gain.low <= 0 <= gain.high else 'not enough' if gain.low > 0 else 'it is worse'}."
    if gain.value > margin and suggests:
        return Finding(True, f"{text}: not proven, which is enough for a suggestion.", gain)
    more = more_records(gain, margin, rows) if gain.value > margin else ""
    return Finding(False, f"{why[:-1]}; {more}." if more else why, gain)


def fresh_part(report: EvaluationEvidence) -> FreshEvidence:
    """What the evaluation says of requests that are kept for testing.

    Raises:
        NotProven: it says nothing.
    """
    if report.fresh is None:
        raise NotProven("evaluation_report has no fresh part, and source.feedback.fresh_test asks for one")
    return report.fresh


def require_champion(report: str, compared: ComparedChampion | None, champion: str | None) -> None:
    """Another checkpoint may have been accepted since a report was made.

    Raises:
        NotProven: the report compares with another one.
    """
    if champion is not None and (compared is None or compared.checkpoint != champion):
        raise NotProven(
            f"{report} compares with {(compared and compared.checkpoint) or 'no champion'}, but {champion} is the"
            " champion now"
        )

"""Whether the attacks prove that a checkpoint keeps its training records private: one judgement, which the report, its
check, the commands and the gate repeat.

The burden of proof is on the checkpoint: an interval must end below its limit, and records must be enough for that. No
sentence holds a record's words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ft_platform.privacy_attacks.enough_records import for_area, for_gain
from ft_platform.privacy_attacks.membership import ATTACKS
from ft_platform.settings.attacks import Attacks
from ft_platform.use_case.schema import UseCase

TITLES = {"loss": "loss", "reference": "loss below the untrained model's", "min_k": "least likely tokens"}
CHANCE = 0.5
CALIBRATED = "reference"
"""The attack that subtracts what the untrained model knows: on the untrained model its area is 0.5 by construction, so
nothing excuses it."""


@dataclass(frozen=True)
class PrivacyVerdict:
    """What the attacks on a checkpoint prove.

    Attributes:
        reasons: every reason why it does not pass, as sentences. Empty: it passes.
        text: the verdict in words.
    """

    reasons: tuple[str, ...]
    text: str

    @property
    def passed(self) -> bool:
        return not self.reasons


def privacy_verdict(found: Mapping[str, Any], settings: UseCase) -> PrivacyVerdict:
    """Judges the figures of the attacks. What was not measured does not pass.

    Args:
        found: `rows`, `membership`, `membership_status`, `extraction_rate`, `personal_data`, `personal_data_status` of
            `privacy.json`.
    """
    writes = settings.training.objective != "label_head"
    reasons = (*_membership(found, settings.attacks), *(_written(found, settings) if writes else ()))
    if reasons:
        return PrivacyVerdict(reasons, f"{'; '.join(reasons)}.")
    largest = max((found["membership"][name]["auc"] for name in ATTACKS), key=lambda area: area["high"])
    text = (
        f"No attack tells training records from test records beyond the limit: the largest area is {_figure(largest)}"
        f" on {found['rows']} records per side"
    )
    if writes:
        text += f"; the model continues training records word for word in {_shares(found['extraction_rate'])}"
        text += f"; {_searched(found['personal_data'])}"
    return PrivacyVerdict((), f"{text}. All intervals stay within the limits.")


def _membership(found: Mapping[str, Any], settings: Attacks) -> Iterator[str]:
    limit, rows = settings.max_membership_auc, found["rows"]
    needed = for_area(CHANCE, limit, settings.confidence)
    if needed is None:
        yield f"No number of records can prove attacks.max_membership_auc {limit:g}"
        return
    measured = found["membership"] or {}
    missing = [name for name in ATTACKS if name not in measured]
    few = bool(missing) or rows < needed
    if few:
        told = f"measured on {rows} records per side"
        if missing:
            told = "not measured by every attack" if measured else f"not measured ({found['membership_status']})"
        yield (
            f"Membership was {told}; at least {needed} training and {needed} test records are"
            f" needed{_more(needed, settings.rows, 'rows')}"
        )
    for name in [name for name in ATTACKS if name in measured]:
        attack = measured[name]
        area, end = _away(attack["auc"])
        if end <= limit or (name != CALIBRATED and _differed_before(attack) and _beyond(attack) <= limit - CHANCE):
            continue
        what = f"by the {TITLES[name]}: area {_figure(attack['auc'])}"
        if area > limit:
            yield f"Training records can be told from test records {what}, beyond attacks.max_membership_auc {limit:g}"
        elif not few:
            enough = _enough(for_area(area, limit, settings.confidence), "records", settings.rows, "rows", "area")
            yield (
                f"Training records may be told from test records {what}, and the interval goes beyond"
                f" attacks.max_membership_auc {limit:g}{enough}"
            )


def _away(area: Mapping[str, float]) -> tuple[float, float]:
    """The value and the end of an area on the far side of chance: 0.2 tells two sides apart as well as 0.8 does."""
    value = max(area["value"], 1 - area["value"])
    return value, max(value, area["high"], 1 - area["low"])


def _differed_before(attack: Mapping[str, Any]) -> bool:
    """Whether the untrained model tells the two sides apart for sure: the records themselves differ, and that is no
    memory."""
    control = attack["control_auc"]
    return control["low"] > CHANCE or control["high"] < CHANCE


def _beyond(attack: Mapping[str, Any]) -> float:
    """How far from the same attack on the untrained model an area may lie, at most."""
    excess = attack["excess"]
    return max(
        abs(excess["low"]),
        abs(excess["high"]),
        abs(excess["value"]),
        abs(attack["auc"]["value"] - attack["control_auc"]["value"]),
    )


def _searched(personal: Mapping[str, Any]) -> str:
    """What was found in texts that the model wrote, and whether it was compared with originals."""
    texts, samples = personal.get("texts_with_finding"), personal.get("samples")
    of = "texts that it wrote" if samples is None else f"{samples:,} texts that it wrote"
    if texts == 0:
        return f"no personal data in {of}"
    where = f"personal data in {'an unknown number' if texts is None else f'{texts:,}'} of {of}"
    compared = "not compared with originals, none are kept" if personal["originals"] is None else "no originals"
    return f"{where}: {compared}"


def _written(found: Mapping[str, Any], use_case: UseCase) -> Iterator[str]:
    """Reasons from what the model writes."""
    personal, settings = found["personal_data"], use_case.attacks
    if personal is None:
        yield f"Texts that the model writes were not searched for personal data: {found['personal_data_status']}"
    elif personal["originals"]:
        yield f"{personal['originals']} finding(s) in texts that the model wrote are originals from the vault"
    elif use_case.privacy.vault and personal["originals"] is None and personal.get("texts_with_finding") != 0:
        yield (
            "Personal data in texts that the model wrote were not compared with the originals in the vault"
            f" ({personal.get('originals_status')}); give programs the vault's key, and run privacy_report again"
        )
    rates, limit = found["extraction_rate"], settings.max_extraction_gain
    needed = for_gain(0.0, 0.0, limit, settings.confidence)
    measured = rates["verbatim"] and rates["baseline"] and rates["gain"]
    if needed is None:
        yield f"No number of records can prove attacks.max_extraction_gain {limit:g}"
        return
    few = not measured or rates["rows"] < needed
    if few:
        told = f"measured on {rates['rows']} texts per side" if measured else f"not measured ({rates['status']})"
        yield (
            f"Extraction was {told}; at least {needed} long texts of training and {needed} of test records are"
            f" needed{_room(needed, settings)}"
        )
    if measured:
        verbatim, baseline = rates["verbatim"]["value"], rates["baseline"]["value"]
        if max(verbatim - baseline, rates["gain"]["value"]) > limit:
            yield (
                f"The model continues training records word for word in {_shares(rates)}: more than"
                f" attacks.max_extraction_gain {limit:g}"
            )
        elif rates["gain"]["high"] > limit and not few:
            enough = _enough(
                for_gain(verbatim, baseline, limit, settings.confidence),
                "texts",
                settings.extraction_rows,
                "extraction_rows",
                "shares",
            )
            yield (
                "The model may continue training records word for word more often than attacks.max_extraction_gain"
                f" {limit:g} allows: in {_shares(rates)}, and the interval goes beyond it{enough}"
            )


def _enough(needed: int | None, unit: str, most: int, setting: str, kept: str) -> str:
    if needed is None:
        return ""
    return (
        f". About {needed:,} {unit} per side would be enough if the {kept} stayed the"
        f" same{_more(needed, most, setting)}"
    )


def _more(needed: int, most: int, setting: str) -> str:
    """Which setting holds the attack back, where one does."""
    return f"; raise attacks.{setting}, now {most}" if needed > most else ""


def _room(needed: int, settings: Attacks) -> str:
    return _more(needed, settings.rows, "rows") or _more(needed, settings.extraction_rows, "extraction_rows")


def _shares(rates: Mapping[str, Any]) -> str:
    verbatim, baseline, gain = rates["verbatim"], rates["baseline"], rates["gain"]
    ends = f"{gain['low']:+.1%} to {gain['high']:+.1%}"
    return (
        f"{verbatim['value']:.1%} of the cases, test records in {baseline['value']:.1%}, a difference of"
        f" {gain['value']:+.1%} ({ends})"
    )


def _figure(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"

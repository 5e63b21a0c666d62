"""Whether the attacks prove that a checkpoint keeps its training records private: one judgement, which the report, its
check, the commands and the gate repeat.

The burden of proof is on the checkpoint: an interval must end below its limit, and records must be enough for that. No
sentence holds a record's words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ft_platform.training.privacy_attacks.enough_records import for_gain
from ft_platform.training.privacy_attacks.membership import ATTACKS
from ft_platform.training.privacy_attacks.true_positives import LOW, promised_rate, rate_that_ends_at, records_for
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.attacks import Attacks
from ft_platform.use_case.settings.policy import Policy

TITLES = {"loss": "loss", "calibrated": "loss below what the record's difficulty leads one to expect"}
ENOUGH_FOR = 2.0
"""Records are enough where the limit can be proven for an attack that finds twice as many as guessing does. With fewer
it depends on chance whether a model that gives nothing away is accepted."""
USUAL = (0.65, 0.35)
"""Shares of training and of other records, as `splits` divides by default."""


@dataclass(frozen=True)
class PrivacyVerdict:
    """What the attacks on a checkpoint prove.

    Attributes:
        reasons: every reason why it does not pass, as sentences. Empty: it passes.
        text: the verdict in words.
        warnings: what does not decide, and should be known.
    """

    reasons: tuple[str, ...]
    text: str
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.reasons


def privacy_verdict(found: Mapping[str, Any], use_case: NamedUseCase) -> PrivacyVerdict:
    """Judges the figures of the attacks. What was not measured does not pass.

    Args:
        found: `PrivacyEvidence`, as `privacy.json` has it.
    """
    settings = use_case.settings.attacks
    writes = use_case.settings.training.objective != "label_head"
    judged = _Membership(found, settings, use_case.policy)
    reasons = (*judged.reasons(), *(_written(found, use_case) if writes else ()))
    warnings = tuple(judged.warnings())
    if reasons:
        return PrivacyVerdict(reasons, f"{'; '.join(reasons)}.", warnings)
    text = attacker_in_words(found)
    if writes:
        text += f" The model continues training records word for word in {_shares(found['extraction_rate'])};"
        text += f" {_searched(found['personal_data'])}."
    return PrivacyVerdict((), " ".join([text, judged.proof(), *(f"{warning}." for warning in warnings)]), warnings)


def attacker_in_words(found: Mapping[str, Any]) -> str:
    """What an attacker would find, as one sentence: the gate, the report and the portal say it."""
    if not found["membership"]:
        return f"Membership was not measured: {found['membership_status']}."
    if "members" not in found:
        return "Membership was measured by an earlier version, which gave no share of records; run it again."
    rates = [attack["at_1_percent"] for attack in found["membership"].values()]
    value, high = max(rate["value"] for rate in rates), max(rate["high"] for rate in rates)
    return (
        f"Of 1,000 training records, an attacker would find {_of_1000(value)} (at most {_of_1000(high)}) and be wrong"
        f" about {_of_1000(LOW)} of 1,000 others; guessing finds {_of_1000(LOW)}."
    )


def _of_1000(share: float) -> str:
    return f"{1000 * share:,.0f}"


@dataclass(frozen=True)
class _Membership:
    """Judges the membership attacks.

    Attributes:
        policy: of the installation, which says what a use case owes that is too small to prove the rate.
    """

    found: Mapping[str, Any]
    settings: Attacks
    policy: Policy

    def reasons(self) -> Iterator[str]:
        settings, measured = self.settings, self.found["membership"] or {}
        if self._needed(LOW) is None:
            yield f"No number of records can prove attacks.max_true_positive_rate {settings.max_true_positive_rate:g}"
            return
        if any(name not in measured for name in ATTACKS):
            status = "not measured by every attack" if measured else f"not measured ({self.found['membership_status']})"
            yield f"Membership was {status}; {self._least_in_words()}"
        shown = [*self._shown(measured)]
        yield from shown
        if not shown and all(name in measured for name in ATTACKS):
            yield from self._unproven(measured)

    def _shown(self, measured: Mapping[str, Any]) -> Iterator[str]:
        """What lies beyond a limit for sure."""
        limit, area_limit = self.settings.max_true_positive_rate, self.settings.max_membership_auc
        for name in [name for name in ATTACKS if name in measured]:
            rate, area = measured[name]["at_1_percent"], measured[name]["auc"]
            if rate["low"] > limit:
                yield (
                    f"An attack by the {TITLES[name]} finds {_percents(rate)} of the training records at {LOW:.0%}"
                    f" false alarms, beyond attacks.max_true_positive_rate {limit:g}"
                )
            if max(area["low"], 1 - area["high"]) > area_limit:
                yield (
                    f"Training records can be told from others by the {TITLES[name]}: area {_figure(area)},"
                    f" beyond attacks.max_membership_auc {area_limit:g}"
                )
        for one in self.found["slices"]:
            if one["low"] > limit and one["chance"] < (1 - self.settings.confidence) / 2:
                yield (
                    f"Of {one['kind']} {one['name']!r}, an attacker finds {one['found']:,} of {one['members']:,}"
                    f" training records and takes {one['mistaken']:,} of {one['others']:,} others for one, beyond"
                    f" attacks.max_true_positive_rate {limit:g}"
                )

    def _unproven(self, measured: Mapping[str, Any]) -> Iterator[str]:
        """What may lie beyond the limit."""
        limit = self.settings.max_true_positive_rate
        worst = max((measured[name]["at_1_percent"] for name in ATTACKS), key=lambda rate: rate["high"])
        if self._promise() <= limit or worst["high"] <= limit:
            return
        may = (
            f"An attacker may find {_percents(worst)} of the training records at {LOW:.0%} false alarms, and"
            f" attacks.max_true_positive_rate is {limit:g}"
        )
        if not self._few():
            members, others, confidence = self.found["members"], self.found["others"], self.settings.confidence
            behind = rate_that_ends_at(worst["high"], members, others, LOW, confidence)
            needed = self._needed(max(worst["value"], behind), others + 1)
            enough = ""
            if needed:
                enough = f". About {needed[0]:,} training and {needed[1]:,} other records would be enough if the share"
                enough += f" stayed the same{_more(needed[0], self.settings.rows, 'rows')}"
            yield f"{may}{enough}"
        elif not self._small():
            yield f"{may}{self._enough()}. There are enough records: raise splits.test_fraction"
        elif not (self.policy.small_use_cases == "area" and self._area_is_within(measured)):
            yield f"{may}{self._enough()}{self._instead(measured)}"

    def _instead(self, measured: Mapping[str, Any]) -> str:
        """What a small use case would owe instead, and lacks."""
        if self.policy.small_use_cases != "area":
            return ". The policy accepts nothing else from a use case of this size"
        area = max((measured[name]["auc"] for name in ATTACKS), key=_far_end)
        return (
            f". The area would do instead, and may be beyond attacks.max_membership_auc"
            f" {self.settings.max_membership_auc:g}: {_figure(area)}"
        )

    def warnings(self) -> Iterator[str]:
        measured = self.found["membership"] or {}
        if not self._area_is_within(measured):
            area = max((attack["auc"] for attack in measured.values()), key=_far_end)
            yield (
                f"The model fits its training records better than others: area {_figure(area)}, where"
                f" {self.settings.max_membership_auc:g} is the limit and 0.5 is chance"
            )

        if terms := self.found.get("terms"):
            yield (
                f"The file of the model lists {terms:,} words and pairs of words of its anonymized training records, "
                "each used by two persons or in two records that name none: whoever gets the file can read them"
            )

    def proof(self) -> str:
        """What the verdict of a checkpoint that passes rests on."""
        limit = self.settings.max_true_positive_rate
        if max(attack["at_1_percent"]["high"] for attack in self.found["membership"].values()) <= limit:
            return f"The whole interval is within attacks.max_true_positive_rate {limit:g}."
        if self._promise() <= limit:
            return f"Differential privacy promises at most {_of_1000(self._promise())} to any attacker."
        return (
            f"Not proven{self._enough()}. The policy accepts the area from so small a use case, whose whole interval is"
            f" within attacks.max_membership_auc {self.settings.max_membership_auc:g}."
        )

    def _area_is_within(self, measured: Mapping[str, Any]) -> bool:
        return all(_far_end(attack["auc"]) <= self.settings.max_membership_auc for attack in measured.values())

    def _promise(self) -> float:
        """The highest rate that differential privacy leaves to any attack; 1 without it."""
        promised = self.found.get("differential_privacy")
        return promised_rate(promised["epsilon"], promised["delta"], LOW) if promised else 1.0

    def _needed(self, rate: float, least: int = 20) -> tuple[int, int] | None:
        settings, ratio = self.settings, max(self.found["members"] / max(self.found["others"], 1), 1.0)
        return records_for(rate, settings.max_true_positive_rate, LOW, settings.confidence, ratio, least)

    def _least(self) -> tuple[int, int]:
        """Records that are enough."""
        needed = self._needed(ENOUGH_FOR * LOW) or self._needed(LOW)
        assert needed is not None
        return needed

    def _few(self) -> bool:
        members, others = self._least()
        return self.found["members"] < members or self.found["others"] < others

    def _small(self) -> bool:
        """Whether the usual division of all records leaves too few for the limit of the policy. The file of a use case
        has no say: a stricter limit of its own would make any use case small."""
        (train, others), usual = USUAL, Attacks()
        limit = self.policy.at_most.get("attacks.max_true_positive_rate") or usual.max_true_positive_rate
        needed = records_for(ENOUGH_FOR * LOW, limit, LOW, usual.confidence, train / others)
        return needed is None or self.found["records"] * others < needed[1]

    def _enough(self) -> str:
        return (
            f": measured on {self.found['members']:,} training and {self.found['others']:,} other records, and"
            f" {self._least_in_words()}"
        )

    def _least_in_words(self) -> str:
        members, others = self._least()
        return f"about {members:,} training and {others:,} other records (of the test and validation splits) are enough"


def _far_end(area: Mapping[str, float]) -> float:
    """The end of an area on the far side of chance: 0.2 tells two sides apart as well as 0.8 does."""
    return max(area["high"], 1 - area["low"])


def _percents(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.1%} ({figure['low']:.1%} to {figure['high']:.1%})"


def _searched(personal: Mapping[str, Any]) -> str:
    """What was found in texts that the model wrote, and whether it was compared with originals."""
    texts, samples = personal.get("texts_with_finding"), personal.get("samples")
    of = "texts that it wrote" if samples is None else f"{samples:,} texts that it wrote"
    if texts == 0:
        return f"no personal data in {of}"
    where = f"personal data in {'an unknown number' if texts is None else f'{texts:,}'} of {of}"
    compared = "not compared with originals, none are kept" if personal["originals"] is None else "no originals"
    return f"{where}: {compared}"


def _written(found: Mapping[str, Any], use_case: NamedUseCase) -> Iterator[str]:
    """Reasons from what the model writes."""
    personal, settings = found["personal_data"], use_case.settings.attacks
    if personal is None:
        yield f"Texts that the model writes were not searched for personal data: {found['personal_data_status']}"
    elif personal["originals"]:
        yield f"{personal['originals']} finding(s) in texts that the model wrote are originals from the vault"
    elif use_case.settings.privacy.vault and personal["originals"] is None and personal.get("texts_with_finding") != 0:
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

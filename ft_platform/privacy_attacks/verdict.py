"""Whether a checkpoint gives away more than its settings allow, and why, in sentences without a record's words."""

from collections.abc import Mapping
from typing import Any

from ft_platform.privacy_attacks.extraction import goes_beyond
from ft_platform.privacy_attacks.membership import exposed
from ft_platform.settings.attacks import Attacks

TITLES = {"loss": "loss", "reference": "loss below the untrained model's", "min_k": "least likely tokens"}


def reasons(found: Mapping[str, Any], settings: Attacks) -> list[str]:
    """Every reason why the check fails. Empty: it passes. What was not measured does not pass.

    Args:
        found: `membership`, `membership_status`, `extraction_rate`, `personal_data`.
    """
    sentences = []
    if found["membership"] is None:
        sentences.append(f"membership was not measured, {found['membership_status']}")
    for name, attack in (found["membership"] or {}).items():
        if exposed(attack, settings.max_membership_auc):
            sentences.append(
                f"training records are told from test records by the {TITLES[name]}: area {_figure(attack['auc'])}, more than "
                f"attacks.max_membership_auc {settings.max_membership_auc:g}"
            )
    rates = found["extraction_rate"]
    if goes_beyond(rates, settings.max_extraction_gain):
        sentences.append(
            f"{rates['of']} of training records are continued verbatim in {_figure(rates['verbatim'])} of the cases, of test records in "
            f"{_figure(rates['baseline'])}; the difference {_figure(rates['gain'])} is more than attacks.max_extraction_gain {settings.max_extraction_gain:g}"
        )
    if found["personal_data"] and found["personal_data"]["originals"]:
        sentences.append(f"{found['personal_data']['originals']} finding(s) in texts that the model wrote are originals that the vault keeps")
    return sentences


def _figure(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"

"""Fine-tuned model or a prompt: what 1,000 requests cost each, and after how many the investment is paid back by
cheaper ones."""

from typing import Any

import numpy as np

from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems.endpoint import PREFIX
from ft_platform.monitoring.business.inputs import PROMPT, Inputs
from ft_platform.monitoring.business.quantities import Quantity, known
from ft_platform.monitoring.business.returns import until

API = "api"


def alternatives(inputs: Inputs, invested: Quantity | None) -> dict[str, dict[str, Any]]:
    """`{system: {"money_per_1000", "currency", "seconds_per_1000", "seconds_alone", "quality", "source", "measured",
    "requests_until_paid_back"}}` of the fine-tuned model, the base model with examples in its prompt, every endpoint of
    the evaluation (`evaluation.endpoints`), and, where a price is stated, a prompted model elsewhere that nobody
    measured.

    `money_per_1000` is `{"value", "low", "high", "source"}`, None where no price is known; `quality` and
    `seconds_per_1000` None where nobody measured them. `seconds_alone`, `{"median", "p95"}`, takes the place of
    `seconds_per_1000` where the fine-tuned model was measured in a deployment. `measured` is `{"model", "host"}` of an
    endpoint, else None. `requests_until_paid_back`: of the fine-tuned model in place of this one."""
    endpoints = [system for system in inputs.metrics["systems"] if system.startswith(PREFIX)]
    prices = {system: _measured_price(inputs, system) for system in (FINE_TUNED, PROMPT, *endpoints)}
    if stated := inputs.get("api_price_per_1000"):
        prices[API] = stated
    return {system: _row(inputs, system, price, prices[FINE_TUNED], invested) for system, price in prices.items()}


def _measured_price(inputs: Inputs, system: str) -> Quantity | None:
    """Of a system of the evaluation: by the price of its compute profile, of its tokens, or of its deployment."""
    money, source = inputs.metrics["per_1000_requests"][system]["money"], inputs.evaluation_report.artifact_id
    if system == FINE_TUNED:
        money, source = inputs.requests["money_per_1000"], inputs.requests["money_from"]
    if money is None:
        return None
    settings = inputs.use_case.settings.evaluation
    return known(money, np.full(settings.bootstrap_samples, money), source, settings.confidence)


def _row(
    inputs: Inputs, system: str, price: Quantity | None, own: Quantity | None, invested: Quantity | None
) -> dict[str, Any]:
    evaluated, taken = inputs.metrics["systems"].get(system), inputs.metrics["per_1000_requests"].get(system)
    about = inputs.metrics["info"].get(system, {}) if system.startswith(PREFIX) else None
    currency = taken["currency"] if taken else inputs.currency
    seconds = taken["seconds"] if taken else None
    alone, sources = None, [price.source if price else inputs.evaluation_report.artifact_id]
    if system == FINE_TUNED:
        asked = inputs.requests
        currency, seconds, alone = asked["currency"], asked["seconds_per_1000"], asked["seconds_alone"]
        sources += [asked["seconds_from"], inputs.evaluation_report.artifact_id]
    row: dict[str, Any] = {
        "money_per_1000": price.figure(inputs.confidence) if price else None,
        "currency": currency,
        "seconds_per_1000": seconds,
        "seconds_alone": alone,
        "quality": evaluated[inputs.quality] if evaluated else None,
        "source": "; ".join(dict.fromkeys(sources)),
        "measured": {name: about[name] for name in ("model", "host")} if about else None,
    }
    if system != FINE_TUNED:
        why_not = _why_not(inputs, price, own, currency)
        gained = None
        if price and own and not why_not:
            value, draws = (price.value - own.value) / 1000, (price.draws - own.draws) / 1000
            gained = known(value, draws, price.source, inputs.confidence)
        row["requests_until_paid_back"] = until(
            invested, gained, inputs.confidence, why_not or "business.investment is not declared"
        )
    return row


def _why_not(inputs: Inputs, price: Quantity | None, own: Quantity | None, currency: str) -> str:
    """Why a price cannot be compared with that of the fine-tuned model, in words; empty where it can."""
    if own is None:
        return "neither the compute profile nor a target has a price"
    if price is None:
        return "no price is known"
    of_own = inputs.requests["currency"]
    if not currency == of_own == inputs.currency:
        return f"prices are in {currency} and {of_own if of_own != currency else inputs.currency}"
    return ""

"""Fine-tuned model or a prompt: what 1,000 requests cost each, and after how many the investment is paid back by cheaper ones."""

from typing import Any

import numpy as np

from ft_platform.business.inputs import PROMPT, Inputs
from ft_platform.business.quantities import Quantity, known
from ft_platform.business.returns import until
from ft_platform.evaluation.scores import FINE_TUNED

API = "api"


def alternatives(inputs: Inputs, invested: Quantity | None) -> dict[str, dict[str, Any]]:
    """`{system: {"money_per_1000", "seconds_per_1000", "quality", "source", "requests_until_paid_back"}}` of the fine-tuned model, the base model with
    examples in its prompt, and, where a price is stated, a prompted model elsewhere.

    `money_per_1000` is `{"value", "low", "high"}`, None where no price is known; `quality` None where nobody measured it (a model elsewhere).
    `requests_until_paid_back`: of the fine-tuned model in place of this one.
    """
    settings = inputs.use_case.settings.evaluation
    prices: dict[str, Quantity | None] = {}
    for system in (FINE_TUNED, PROMPT):
        money = inputs.metrics["per_1000_requests"][system]["money"]
        if money is None:
            prices[system] = None
            continue
        prices[system] = known(money, np.full(settings.bootstrap_samples, money), inputs.evaluation_report.artifact_id, settings.confidence)
    if stated := inputs.get("api_price_per_1000"):
        prices[API] = stated
    return {system: _row(inputs, system, price, prices[FINE_TUNED], invested) for system, price in prices.items()}


def _row(inputs: Inputs, system: str, price: Quantity | None, own: Quantity | None, invested: Quantity | None) -> dict[str, Any]:
    evaluated = inputs.metrics["systems"].get(system)
    row: dict[str, Any] = {
        "money_per_1000": price.figure(inputs.confidence) if price else None,
        "seconds_per_1000": inputs.metrics["per_1000_requests"][system]["seconds"] if evaluated else None,
        "quality": evaluated[inputs.quality] if evaluated else None,
        "source": price.source if price else inputs.evaluation_report.artifact_id,
    }
    if system != FINE_TUNED:
        gained = None
        if price and own:
            value, draws = (price.value - own.value) / 1000, (price.draws - own.draws) / 1000
            gained = known(value, draws, price.source, inputs.confidence)
        why_not = "business.investment is not stated" if price and own else "the compute profile has no price"
        row["requests_until_paid_back"] = until(invested, gained, inputs.confidence, why_not)
    return row

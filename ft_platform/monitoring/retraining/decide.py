"""Whether a retraining starts, out of the facts alone."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ft_platform.monitoring.retraining.entries import Start
from ft_platform.monitoring.retraining.facts import Facts
from ft_platform.monitoring.retraining.reasons import REASONS, Reason
from ft_platform.monitoring.retraining.rules import RULES, Block
from ft_platform.use_case.settings.retraining import Retraining


@dataclass(frozen=True)
class Decision:
    """What follows from the facts.

    Attributes:
        reasons: all of them.
        blocked_by: rules that hold.
    """

    facts: Facts
    reasons: Sequence[Reason]
    blocked_by: Sequence[Block]

    @property
    def holding(self) -> list[Reason]:
        return [one for one in self.reasons if one.holds]

    @property
    def would_start(self) -> bool:
        """Whether a reason holds that every rule spares."""
        return any(all(one.name in block.spares for block in self.blocked_by) for one in self.holding)

    def start(self, by: str) -> Start:
        """The entry of the journal that starts it. The same evidence has the same id."""
        keys = {one.name: one.key for one in self.holding}
        digest = hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()
        facts, number = self.facts, self.facts.starts[-1].number + 1 if self.facts.starts else 1
        content = facts.content.hash if facts.content else ""
        return Start(f"start-{digest[:12]}", number, facts.at, by, keys, content)

    def to_dict(self) -> dict[str, Any]:
        """As `ft retraining explain --json` has it."""
        return {
            "at": self.facts.at.isoformat(timespec="seconds"),
            "would_start": self.would_start,
            "reasons": [
                {"name": one.name, "holds": one.holds, "evidence": one.evidence, "needs": one.needs}
                for one in self.reasons
            ],
            "blocked_by": [{"rule": one.rule, "why": one.why, "spares": sorted(one.spares)} for one in self.blocked_by],
            "estimated_cost": asdict(self.facts.cost),
            "losses_in_a_row": self.facts.losses,
        }


def decide(facts: Facts, settings: Retraining) -> Decision:
    """Weighs all reasons and rules."""
    reasons = []
    for reason in REASONS:
        found = reason(facts, settings)
        if found.holds and (found.name, found.key) in facts.answered:
            started = next(one.id for one in facts.starts if one.reasons.get(found.name) == found.key)
            found = replace(found, holds=False, needs=f"new evidence: {started} was started for this")
        reasons.append(found)
    return Decision(facts, reasons, [block for rule in RULES if (block := rule(facts, settings))])

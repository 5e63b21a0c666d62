"""What each mitigation of `fairness.mitigation` does to bias that was planted in labels: quality and gap before and
after, on real credit records.

    python benchmarks/mitigations.py --data <folder>/german_credit_ibm --json

The labels that models learn from are biased: 70 % of the women without risk are noted as a risk. Test records keep the
labels of the file. A logistic regression stands in place of the language model, so this shows what the mitigations do,
not how well a language model is mitigated: on the columns as numbers, and for `counterfactual_augmentation` on the
record written out as words (`ft_platform_tests/evaluation/credit_case.py`). `gap`: how much more often `Risk` is given
to one sex than to the other; `accuracy` and `accuracy_gap` are against the labels of the file. `head`: the same head
without the mitigation. `flip_rate`: answers that change when `female` and `male` are swapped. All with bootstrap
intervals over test records (Wilson's for shares); `change` is after minus before on the same records.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from ft_platform.evaluation.mitigation_figures import compared
from ft_platform.evaluation.swap_figures import swap_figures
from ft_platform_tests.evaluation.credit_case import FILE, MITIGATIONS, Credit, use_case


def measured(credit: Credit, mitigation: str) -> dict[str, Any]:
    """Figures of one mitigation."""
    case = use_case(samples=2000)
    started = time.process_time()
    treated = credit.treated(mitigation)
    seconds = time.process_time() - started
    found = compared(case, treated.systems)
    systems = {
        system: {
            "accuracy": own["quality"]["accuracy"],
            "macro_f1": own["quality"]["macro_f1"],
            "gap": own["gap"],
            "accuracy_gap": own["quality_gap"],
        }
        for system, own in found["systems"].items()
    }
    for system, table in treated.swapped.items():
        systems[system]["flip_rate"] = swap_figures(case, table)["sex"]["flip_rate"]
    change = {"accuracy": found["change"]["quality"]["accuracy"], "gap": found["change"]["gap"]}
    return {
        "systems": systems,
        "change": {name: _ends(one) for name, one in change.items()},
        "cpu_seconds": round(seconds, 2),
    }


def _ends(found: dict[str, Any]) -> dict[str, float]:
    return {name: found[name] for name in ("value", "low", "high")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {FILE.name}")
    parser.add_argument("--mitigations", nargs="*", default=MITIGATIONS, choices=MITIGATIONS, help="default: all")
    parser.add_argument("--seed", type=int, default=3, help="of the division into thirds")
    parser.add_argument("--json", action="store_true", help="JSON on stdout")
    arguments = parser.parse_args()
    credit = Credit(arguments.data / FILE.name, arguments.seed)
    found = {mitigation: measured(credit, mitigation) for mitigation in arguments.mitigations}
    if arguments.json:
        print(json.dumps({"test_rows": len(credit.test), "mitigations": found}, indent=1))
        return
    for mitigation, one in found.items():
        print(f"\n{mitigation} ({one['cpu_seconds']:.1f} cpu-seconds)")
        for system, figures in one["systems"].items():
            print(f"  {system}: {', '.join(f'{name} {_text(figure)}' for name, figure in figures.items() if figure)}")
        print(f"  change: {', '.join(f'{name} {_text(figure)}' for name, figure in one['change'].items())}")


def _text(found: dict[str, float]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


if __name__ == "__main__":
    main()

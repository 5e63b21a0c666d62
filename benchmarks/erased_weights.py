"""What the weights of a tiny model hold of a person who was learned by heart: before the rows go, and after a training
without them. All persons are fictitious.

python benchmarks/erased_weights.py
"""

import json
import tempfile
from pathlib import Path

from ft_platform.erasure.weights import measure_after
from ft_platform_tests.erasure.test_weights import BO, TODAY, erased, trained_without
from ft_platform_tests.privacy_attacks.attacked_case import OVERTRAINED


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        case = erased(Path(folder), OVERTRAINED)
        environment, lake, use_case, _ = case.where
        trained_without(case)
        made = measure_after(lake, environment, use_case, case.request, BO, TODAY)
    print(json.dumps({"before": made["before"], "after": made["after"]}, indent=1))


if __name__ == "__main__":
    main()

"""Whether a text can make the scan for personal data slow: cpu-seconds for twice as many characters of something
repeated.

    python benchmarks/scan_cost.py
    python benchmarks/scan_cost.py --characters 80_000 --json

A pattern that tries every start against every end takes four times as long for twice the text (regular expression
denial of service). For each repeated unit the smallest of three cpu-times counts. Prints `{"characters", "worst_ratio",
"worst_unit", "slowest_seconds", "slowest_unit"}`: about 2 is linear."""

import argparse
import json
import time

from ft_platform.privacy.scan import Scanner
from ft_platform.use_case.settings.privacy import Privacy

LETTERS = [
    "a",
    "A",
    "1",
    ".",
    "@",
    "\n",
    "A ",
    "Aa ",
    "1 ",
    "1-",
    "1:",
    "a.",
    "a@",
    "a-",
    "Aa-",
    "A1 ",
    "O0 ",
    "Aa, ",
    "Aa\n",
    "\n\n",
    "( ",
    "'s ",
    "é",
    "аa",
]
MARKS = ["ab:", "- ", "> ", "??? ", "xX ", "XX/XX ", "http://", "user=a "]
PHRASES = ["for a from 192.0.2.1 ", "Saint ", "Mr. ", '"lastName": "', "12 Aa St ", "name on card a ", "corner of "]
REPEATS = 3


def seconds(scanner: Scanner, text: str) -> float:
    """The smallest cpu-time of a few scans of a text."""
    found = []
    for _ in range(REPEATS):
        started = time.process_time()
        scanner.find([text])
        found.append(time.process_time() - started)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=int, default=40_000, help="length of the shorter text")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    scanner = Scanner(Privacy(ner="none"))
    scanner.find(["Anna Reed", "anna reed"])  # the word lists
    measured = {}
    for unit in LETTERS + MARKS + PHRASES:
        text = unit * (arguments.characters // len(unit))
        measured[unit] = (seconds(scanner, text), seconds(scanner, text + text))
    ratios = {
        unit: long / short for unit, (short, long) in measured.items() if short > 1e-3
    }  # below a millisecond the clock decides
    worst, slowest = max(ratios, key=lambda unit: ratios[unit]), max(measured, key=lambda unit: measured[unit][1])
    found = {
        "characters": arguments.characters,
        "worst_ratio": round(ratios[worst], 2),
        "worst_unit": worst,
        "slowest_seconds": round(measured[slowest][1], 3),
        "slowest_unit": slowest,
    }
    print(json.dumps(found, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()

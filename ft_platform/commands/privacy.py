"""ft privacy: what the recognizers find and miss on annotated texts, records to annotate, what a checkpoint gives
away."""

import argparse
import json
from pathlib import Path
from typing import Any

from ft_platform.commands import opened

HELP = (
    "Measure the recognizers of personal data on annotated texts, draw records to annotate, or show what a checkpoint"
    " gives away about its training records."
)
EXAMPLES = [
    "ft privacy eval --gold annotated.json",
    "ft privacy eval --gold annotated.jsonl --use-case complaint_routing --json",
    "ft privacy eval --gold annotated.json --half held_out --perturbations",
    "ft privacy eval --gold annotated.json --compare presidio,spacy",
    "ft privacy sample complaint_routing --size 400",
    "ft privacy attack complaint_routing --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="what", metavar="{eval,sample,attack}", required=True)
    measure = actions.add_parser(
        "eval", help="score the current recognizers on annotated texts: recall, precision, F2, worst entity first"
    )
    measure.add_argument(
        "--gold",
        type=Path,
        required=True,
        metavar="FILE",
        help=(
            'JSON list or JSON lines of {"full_text", "spans": [{"entity_type", "start_position", "end_position"}]}'
            " (presidio-research)"
        ),
    )
    measure.add_argument(
        "--use-case",
        metavar="NAME",
        help="score with the privacy section of this use case (default: the default settings)",
    )
    measure.add_argument(
        "--half",
        choices=["development", "held_out"],
        help="use only one half of the texts, divided by a hash of their template",
    )
    measure.add_argument(
        "--perturbations",
        action="store_true",
        help="also score the texts in 30 variants: case, spacing, look-alikes, lists, JSON",
    )
    measure.add_argument(
        "--compare",
        metavar="NAMES",
        help="also score others, with commas between: presidio, spacy, gliner:MODEL, transformers:MODEL",
    )
    measure.add_argument("--json", action="store_true", help="print JSON")
    sample = actions.add_parser(
        "sample",
        help=(
            "draw records to annotate into the restricted zone, for privacy.gold: every entity found, and texts"
            " without one"
        ),
    )
    sample.add_argument("use_case", help="name of the use case (ft list)")
    sample.add_argument(
        "--size", type=int, default=400, help="most records to draw, from 1 to 10,000 (default: %(default)s)"
    )
    sample.add_argument(
        "--seed", type=int, default=7, help="the same seed and records give the same texts (default: %(default)s)"
    )
    sample.add_argument("--json", action="store_true", help="print JSON")
    attack = actions.add_parser(
        "attack", help="show what the newest checkpoint gives away, from its privacy_report and from canary_audit"
    )
    attack.add_argument("use_case", help="name of the use case (ft list)")
    attack.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    return {"attack": _attack, "sample": _sample, "eval": _eval}[arguments.what](arguments)


def _sample(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError, DataError
    from ft_platform.lake.parents import tables_behind
    from ft_platform.people.audit_log.opening import note
    from ft_platform.privacy.annotation_sample import MOST_RECORDS, draw, write_sample

    if not 1 <= arguments.size <= MOST_RECORDS or arguments.seed < 0:
        raise ConfigError(
            [
                f"--size must be in 1 to {MOST_RECORDS:,} and --seed at least 0, got {arguments.size} and"
                f" {arguments.seed}"
            ]
        )
    _, use_case, lake = opened(arguments.use_case)
    anonymized = lake.latest(use_case.name, "anonymized_records")
    if anonymized is None:
        problem = f"{use_case.name} has no anonymized_records to draw from"
        raise DataError(problem, f"Run: ft run {use_case.name} --select anonymized_records")
    cleaned = tables_behind(lake, anonymized)["cleaned_records"]
    name = f"sample-{arguments.seed}.jsonl"
    note(lake, use_case, "look_up", "drew records to annotate", source=cleaned.id, rows=arguments.size, file=name)
    texts = draw(lake.rows(cleaned), lake.rows(anonymized), arguments.size, arguments.seed)
    place = write_sample(lake, use_case.name, name, texts)
    if arguments.json:
        print(
            json.dumps(
                {"file": place, "texts": len(texts), "from": [cleaned.id, anonymized.id], "seed": arguments.seed},
                indent=1,
            )
        )
        return 0
    print(f"{place}: {len(texts):,} texts of {cleaned.id}. They contain personal data; leave the file where it is.")
    print('In each line, replace the null of "spans" with what is personal in the text, or [] if nothing is:')
    print(
        '  "spans": [{"entity_type": "PERSON", "entity_value": "the words as in the text"}]   (ft schema entities'
        " lists the types)"
    )
    print(f"Then put  gold: {name}  under privacy in the YAML, and run: ft run {use_case.name}")
    return 0


def _attack(arguments: argparse.Namespace) -> int:
    from ft_platform.training.privacy_attacks.newest import newest_attack

    _, use_case, lake = opened(arguments.use_case)
    found = newest_attack(lake, use_case)
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _show_attack(found)
    return 0


def _show_attack(found: dict[str, Any]) -> None:
    print(f"checkpoint {found['checkpoint']}: {'passed' if found['passed'] else 'not passed'}")
    for sentence in [
        *(found["reasons"] or [found["verdict"]]),
        *(f"out of date: {problem}" for problem in found["problems"]),
    ]:
        print(f"  {sentence}")
    rates = found["extraction_rate"]
    print(f"\n{found['attacker']}")
    for name, attack in (found["membership"] or {}).items():
        print(f"{f'found at 1 %, by {name}':34} {_figure(attack['at_1_percent'])}   (0.010 is chance)")
        print(f"{f'area, by {name}':34} {_figure(attack['auc'])}   (0.5 is chance)")
    for name, title in (
        ("verbatim", "continued word for word"),
        ("near_verbatim", "continued nearly word for word"),
        ("baseline", "test records, word for word"),
    ):
        print(f"{title:34} {_figure(rates[name]) or rates['status']}")
    for copies, bits in (found["exposure_bits"] or {}).items():
        figure = {"value": bits, **found["exposure_bits_interval"][copies]}
        copied = f"exposure of {copies} {'copy' if copies == '1' else 'copies'}, bits"
        print(f"{copied:34} {_figure(figure)}   (of {found['max_bits']:.1f})")
    if found["exposure_bits"] is None:
        print(f"exposure of planted secrets        {found['exposure_status']}")
    else:
        print(
            f"{'exposure of no copy, bits':34} {_figure(found['control_bits'])}   (chance {found['chance_bits']:.2f})"
        )


def _figure(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" if figure else ""


def _eval(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import DataError
    from ft_platform.privacy.evaluation import evaluate, half_of, read_gold, score
    from ft_platform.privacy.others import other
    from ft_platform.privacy.scan import Scanner

    skipped: list[DataError] = []
    gold = read_gold(arguments.gold, skipped.append)
    if arguments.half:
        gold = half_of(gold, arguments.half)
    scanner = Scanner(_settings(arguments.use_case))
    names = [name.strip() for name in arguments.compare.split(",")] if arguments.compare else []
    finders = {name: other(name) for name in names}  # before anything is scored: a wrong name is told at once
    scores = evaluate(gold, scanner)
    others = {name: score(gold, find([one.text for one in gold]), scanner.entities) for name, find in finders.items()}
    variants = _perturbed(gold, scanner) if arguments.perturbations else {}
    if arguments.json:
        found = {**scores.as_json(), "skipped": len(skipped)}
        found |= {"others": {name: one.as_json() for name, one in others.items()}} if others else {}
        print(json.dumps(found | ({"perturbations": variants} if variants else {}), indent=1))
    else:
        _show(scores, others)
        _show_perturbed(variants)
        _show_skipped(skipped)
    return 0


def _perturbed(gold: Any, scanner: Any) -> dict[str, dict[str, float | None]]:
    """Scores under each perturbation, the worst recall first."""
    from ft_platform.privacy.evaluation import evaluate
    from ft_platform.privacy.perturbations import PERTURBATIONS, perturbed

    found = {name: evaluate(perturbed(gold, name), scanner) for name in PERTURBATIONS}
    return {
        name: {"recall": s.recall, "precision": s.precision}
        for name, s in sorted(found.items(), key=lambda item: (item[1].recall or 0.0, item[0]))
    }


def _settings(use_case: str | None) -> Any:
    from ft_platform.use_case.settings.privacy import Privacy

    if use_case is None:
        return Privacy()
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import load_use_case, use_case_folder

    environment = load_environment()
    return load_use_case(use_case_folder(environment.defs, use_case), environment=environment).settings.privacy


def _show(scores: Any, others: dict[str, Any]) -> None:
    print(f"{scores.texts} texts, by character:")
    for name, one in {"ours": scores, **others}.items():
        print(f"{name:24}recall {_text(one.recall)}   precision {_text(one.precision)}   F2 {_text(one.f2)}")
    columns = "".join(f"{name:>14}" for name in others)
    print(f"\n{'annotated as':24}{'recall':>8}   {'95 % interval':17}{'spans':>6}{columns}")
    for name, n in scores.entities.items():
        theirs = "".join(f"{one.entities[name]['recall']:>14.3f}" for one in others.values())
        print(f"{name:24}{n['recall']:>8.3f}   {n['low']:.3f} to {n['high']:.3f}   {n['spans']:>6}{theirs}")
    print(f"\n{'found as':24}{'precision':>9}{'spans':>25}{columns}")
    for name, n in scores.precisions.items():
        theirs = "".join(f"{_text(one.precisions.get(name, {}).get('precision')):>14}" for one in others.values())
        print(f"{name:24}{_text(n['precision']):>9}{n['spans']:>25}{theirs}")
    if scores.not_counted:
        print(
            "\nannotated but not counted (does not identify a person on its own): "
            + ", ".join(f"{kind} {count}" for kind, count in scores.not_counted.items())
        )
    print("Intervals: Wilson, one observation per text (weighted by its characters).")


MOST_SKIPPED = 5
"""Broken spans that are told one by one."""


def _show_skipped(skipped: list[Any]) -> None:
    if skipped:
        print(f"\n{len(skipped):,} texts or spans are not as they must be, and were left out:")
    for one in skipped[:MOST_SKIPPED]:
        print(f"  {one}".splitlines()[0])


def _show_perturbed(others: dict[str, dict[str, float | None]]) -> None:
    if others:
        print(f"\n{'variant':34}{'recall':>8}{'precision':>11}")
    for name, n in others.items():
        print(f"{name:34}{_text(n['recall']):>8}{_text(n['precision']):>11}")


def _text(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"

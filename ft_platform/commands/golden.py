"""ft golden: what experts know that a model must say, or must never say."""

import argparse
import json
from typing import Any

from ft_platform.commands import opened

HELP = "Write golden prompts: what the answer to a question must say, and what it must never say."
EXAMPLES = [
    'ft golden add support_assistant return_period --prompt "How long can I send an order back?"'
    ' --must-say "30 days|thirty days" receipt --must-never-say guaranteed',
    "ft golden list support_assistant --json",
    'ft golden remove support_assistant return_period --reason "Returns are 60 days from May on"',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", metavar="<add|list|remove>", required=True)
    add = what.add_parser("add", help="write one; the next evaluation asks it, and the gate has its rule at once")
    listed = what.add_parser("list", help="all of a use case, those of its file too")
    gone = what.add_parser("remove", help="take back one that an expert wrote")
    for one in (add, listed, gone):
        one.add_argument("use_case", help="name of the use case (ft list)")
        one.add_argument("--json", action="store_true", help="print JSON")
    for one in (add, gone):
        one.add_argument("name", help="its name in reports and of its rule: small letters, digits and _")
        one.add_argument("--by", default="", help="e-mail address of who does it (default: the account)")
    add.add_argument("--prompt", required=True, metavar="TEXT", help="what a user writes; no real person")
    add.add_argument(
        "--must-say",
        nargs="+",
        default=[],
        metavar="PHRASE",
        help="phrases that the answer must have; of PHRASE|PHRASE one is enough. Of labels: those that are right",
    )
    add.add_argument(
        "--must-never-say",
        nargs="+",
        default=[],
        metavar="PHRASE",
        help="phrases that it may not have, or wrong labels",
    )
    gone.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")


def run(arguments: argparse.Namespace) -> int:
    _, use_case, lake = opened(arguments.use_case)
    found, text = ACTIONS[arguments.what](lake, use_case, arguments)
    print(json.dumps(found, indent=1, ensure_ascii=False) if arguments.json else text)
    return 0


def _person(arguments: argparse.Namespace, use_case: Any) -> Any:
    """Who does it.

    Raises:
        ConfigError: a person is named who may not.
    """
    from ft_platform.errors import ConfigError
    from ft_platform.people.loading import permissions_of
    from ft_platform.people.person import at_this_machine, named
    from ft_platform.use_case.environment import load_environment

    if not arguments.by.strip():
        return at_this_machine()
    person = named(arguments.by)
    if not (ruling := permissions_of(load_environment()).may(person, "review", use_case.name)):
        raise ConfigError([f"{person.name}: {ruling.why}"])
    return person


def _add(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.golden_statements import add_prompt

    person = _person(arguments, use_case)
    must = [[part.strip() for part in one.split("|")] for one in arguments.must_say]
    of = (lake, use_case, person, arguments.name, arguments.prompt)
    said = add_prompt(*of, [one[0] if len(one) == 1 else one for one in must], arguments.must_never_say)
    told = f"golden/{arguments.name} is a rule of the release now; ask it: ft run {use_case.name}"
    return {"id": said["id"], **said["prompt"]}, told


def _list(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.golden_statements import golden_prompts, stated_prompts

    stated = {one.prompt.name: {"by": one.person, "at": one.at} for one in stated_prompts(lake, use_case)}
    prompts = [
        {**one.model_dump(mode="json"), **stated.get(one.name, {"by": "file", "at": None})}
        for one in golden_prompts(lake, use_case)
    ]
    lines = [f"{one['name']}: {one['prompt']} ({_by(one)})" for one in prompts]
    found = {"use_case": use_case.name, "golden": prompts}
    return found, "\n".join(lines) or f"{use_case.name} has no golden prompt"


def _by(one: dict[str, Any]) -> str:
    return f"by {one['by']} at {one['at'][:10]}" if one["at"] else "in its file"


def _remove(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.golden_statements import remove_prompt

    remove_prompt(lake, use_case, _person(arguments, use_case), arguments.name, arguments.reason)
    return {"removed": arguments.name}, f"golden/{arguments.name} is no rule any more"


ACTIONS = {"add": _add, "list": _list, "remove": _remove}

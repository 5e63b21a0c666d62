"""ft waiver: grant, confirm, list and revoke exceptions from a rule of the gate."""

import argparse
import json
from datetime import date
from typing import TYPE_CHECKING

from ft_platform.commands import opened

if TYPE_CHECKING:
    from ft_platform.people.person import Person

HELP = (
    "Let one checkpoint break one rule until a day, with a reason; confirm such a waiver as the second person, list"
    " them, or end one. The decision lists every waiver."
)
EXAMPLES = [
    (
        "ft waiver grant complaint_routing --rule fairness/state --by ana.ruiz@example.org --until 2027-03-31 --reason"
        ' "Too few records of small states; monitored monthly"'
    ),
    "ft waiver list complaint_routing",
    "ft waiver confirm complaint_routing waiver-0a1b2c3d4e5f --by bo.lund@example.org",
    (
        'ft waiver revoke complaint_routing waiver-0a1b2c3d4e5f --by ana.ruiz@example.org --reason "Monitoring found a'
        ' gap"'
    ),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "ft waiver [-h] {grant,confirm,list,revoke} use_case [id] [--rule RULE] [--by PERSON] [--until DAY]"
        " [--reason TEXT] [--json]"
    )
    parser.add_argument("what", choices=["grant", "confirm", "list", "revoke"], help="what to do with waivers")
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("id", nargs="?", help="waiver to confirm or to revoke")
    parser.add_argument("--rule", help="name of the broken rule, as ft decide shows it")
    parser.add_argument("--checkpoint", help="id of the checkpoint (default: the one that ft decide judges)")
    parser.add_argument(
        "--by", default="", help="e-mail address of the person who grants, confirms or revokes it, one of `owners`"
    )
    parser.add_argument("--until", type=date.fromisoformat, help="last day, YYYY-MM-DD, at most a year ahead")
    parser.add_argument("--reason", default="", help="why, in 20 characters or more")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.who import person_of
    from ft_platform.errors import ConfigError
    from ft_platform.people.audit_log.opening import audit_log_of
    from ft_platform.release import waivers
    from ft_platform.release.decide import the_checkpoint
    from ft_platform.release.waiving import rulings_today, waive

    environment, use_case, lake = opened(arguments.use_case)

    def person() -> "Person":
        log = audit_log_of(lake, {use_case.name: use_case.path} if use_case.path else {})
        return person_of(environment, log, arguments.by, environment.policy.signatures.signed_in)

    if arguments.what in ("revoke", "confirm"):
        if not arguments.id or not arguments.by.strip():
            raise ConfigError(["a waiver's id and --by are needed"], f"List waivers: ft waiver list {use_case.name}")
        if arguments.what == "confirm":
            waivers.confirm(lake, use_case, arguments.id, person())
        else:
            waivers.revoke(lake, use_case, arguments.id, revoked_by=person().name, reason=arguments.reason)
    if arguments.what == "grant":
        if not arguments.rule or arguments.until is None:
            raise ConfigError(["--rule and --until are needed"], f"See the rules: ft decide {use_case.name}")
        checkpoint = the_checkpoint(lake, use_case, arguments.checkpoint)
        rulings = rulings_today(lake, use_case, checkpoint)
        words = {"granted_by": person(), "reason": arguments.reason, "until": arguments.until}
        waive(lake, use_case, checkpoint, rulings, arguments.rule, **words)
    found = [{**waiver.to_dict(), "revoked": revoked} for waiver, revoked in waivers.waivers(lake, use_case)]
    if arguments.json:
        print(json.dumps({"use_case": use_case.name, "waivers": found}, indent=1, ensure_ascii=False))
        return 0
    for one in found:
        ended = " (revoked)" if one["revoked"] else ""
        print(
            f"{one['id']}{ended}  {one['rule']} of {one['checkpoint']}, until {one['until']}, by {one['granted_by']}"
            f" ({one['role']}): {one['reason']}"
        )
    if not found:
        print(f"{use_case.name} has no waivers")
    return 0

"""Writes docs/how_to/who_may_do_what.md from the tables of rights. `--check` says whether it is up to date instead."""

import argparse
from pathlib import Path

from ft_platform.people.actions import ACTIONS
from ft_platform.use_case.settings.roles import ROLES, title
from ft_platform.web.roles.mutations import MUTATIONS, START

PAGE = Path(__file__).parent.parent / "docs" / "how_to" / "who_may_do_what.md"

INTRODUCTION = """# Who may do what

Each person may do what their roles allow, in the use cases that they own. The tables on this page are generated from the code that decides (`python scripts/write_rights.py`), and `ft may` prints the second one. The portal's page `Who may do what` has them with the persons of the installation.

```sh
ft may --as compliance
```

An owner of a use case has their role there (`owners` in its file: a person, or a team of the organization's directory). [`people.roles`](#people-of-the-installation) in `ft_environment.yaml` gives a person or a group a role in every use case.
A service token may do what it was made for, in the use cases that it was made for, and nothing that only people may do.
"""  # noqa: E501

PEOPLE = """## People of the installation

```yaml
# ft_environment.yaml
people:
  roles:
    administrator: [ada.novak@example.org]
    auditor: ["group:internal-audit"] # a group of the organization's directory
    compliance: [ana.ruiz@example.org, bo.lund@example.org]
    data_engineering: ["group:data-platform"]
  superiors:
    compliance: head.of.law@example.org # is told when nobody signs, and may confirm
```

`administrator` and `auditor` are given here alone. A role of a use case that stands here is held in every use case, besides the owners in its file. Whoever may edit that file must not be able to approve their own work, so three roles go further: where accountable owners, compliance
officers or domain experts are named here, they alone approve, waive, and do what a second person confirms in that role. Once persons can sign in, compliance officers are always named here: the file of a use case gives that role to nobody for these actions.

What every use case must keep stands in the policy, in the same file:

```yaml
policy:
  name: retail-bank
  signatures:
    approvals: [compliance, domain_expert] # must sign every release, whatever its file says
    persons: 2 # different ones
    reasons: true # each says why
```

Once persons can sign in (`ft users`, or `sign_in`), only what they do signed in counts: a signature, a waiver, a look into the vault, each waiver with a second person. In `ft ui` they are signed in; on the terminal, the command with `--by` asks for the password of `ft users`.
`policy.signatures.signed_in`, `confirm_waivers` and `policy.looks` change that. Whoever trained a model or changed the file of its use case may neither approve, nor waive a rule, nor look into its vault.
"""  # noqa: E501

ACCESS = """## Access for a time

A person without a role asks for one in a use case, or for a look at its reports, and says what for and until when, at most 90 days ahead. The accountable owner or an administrator grants or declines it, never the person who asked:

```sh no-run
# needs a use case, and persons
ft access request complaint_routing --by bo.lund@example.org --as data_science --until 2027-03-31 --reason "Cover for Dana"
ft access list complaint_routing
ft access grant complaint_routing access_request-0a1b2c3d4e5f --by maria.lind@example.org --until 2027-03-15
ft access end complaint_routing access_request-0a1b2c3d4e5f --by maria.lind@example.org --reason "Dana is back"
```

An open request stands in `ft needs` and on the page `/needs`. What is granted counts at once and ends with its day; `ft may --as EMAIL` shows it. Request, decision and end are signed records in the lake that nobody changes, and stand in the audit log.
Where one person grants and another declines, nothing is granted; where a record was altered, nothing counts in that use case, and the answer says so. With `policy.signatures.signed_in`, only persons who signed in decide.

No grant lets anybody approve, waive, erase, look up a person, or decide about access: for these a person has to stand in a file ([delegating](release.md#signatures) a signature is another thing). A look is at reports, not at Dagster's UI.
A grant stands when whoever gave it loses their role: end it.

The pages on which people [do what waits](open_reports.md#do-what-waits) ask for the same rights: `approve`, `waive`, `release`, `take_back`. Commands on the machine do not ask for `release` and `take_back`: whoever may use the account of the installation may do both.
"""  # noqa: E501

DAGSTER = """## In Dagster's UI

The same rights hold in Dagster's UI, whichever way a request comes: from the page, over HTTP or over a websocket. Buttons for what a person may not do are grey. What is refused changes nothing, and the answer says who
may. Without a login configured (`ft ui` on this machine), whoever reaches the server is its account and may do everything.

A request is judged by what it would do:

- A run needs the right to start each stage that it would make, in each use case that it touches: tables need "start stages from source to splits", stages that train need "start trainings", and all other reports need
  "start reports". `release` and `deployment` need the right to release and to deploy. A stage of your own may do anything, so it needs the first three. A job that makes everything needs everything: select the
  stages that are yours.
- Stopping a run, repeating it, and turning a schedule or sensor on or off count for the use cases whose assets are made. If a request touches several use cases, each must allow it. If it names none that can be told, only
  a role in the whole installation allows it.
- Logs, events and settings of a run are for those who may read logs there. Others see states, graphs and figures; where a page would show a setting or the text of an error, it says `withheld` and who may read it.
- Debug files and the settings of the Dagster instance are for the auditor and the administrator.
- What a newer version of Dagster adds is refused until it stands in a table.

Each run has the name of who started it (tag `ft/person`, with a signature in `ft/known_by`), and what it makes too (`started_by`); in the UI nobody can type another. The audit log is told of each change before it happens and of each refusal; what cannot be noted is not done.
"""  # noqa: E501

LIMITS = """## Not covered

- Programs on the machine: an account that can write `DAGSTER_HOME` can change anything in it, and the code of a use case runs with the account of the server ([what accounts can do](look_at_records.md#what-an-account-of-the-operating-system-can-still-do)).
- "Execute checks" is grey for owners, because Dagster asks for it once for all use cases. They can materialize the asset, which runs its checks.
- A token that may see one use case can follow edges of the graph to names and states of others. It reads no logs or settings there.
- `/server_info`, which container health checks ask, needs a login too once logins are configured.
"""  # noqa: E501


def page() -> str:
    """The whole page."""
    roles = "\n".join(
        f"| {title(role.name)} (`{role.name}`) | {role.answers_for} | {_above(role.reports_to)} |"
        for role in ROLES.values()
    )
    return "\n".join(
        [
            INTRODUCTION,
            f"| role | answers for | reports to |\n| --- | --- | --- |\n{roles}\n",
            "## Actions\n",
            _actions(),
            PEOPLE,
            ACCESS,
            DAGSTER,
            _mutations(),
            LIMITS,
        ]
    )


def _above(role: str | None) -> str:
    return ROLES[role].title if role else "nobody in the platform"


def _actions() -> str:
    """A line for each action."""
    rows = []
    for action in ACTIONS.values():
        who = [
            f"{ROLES[role].title}{'' if reach == 'own' else ' (everywhere)'}" for role, reach in action.roles.items()
        ]
        everybody = set(action.roles) == set(ROLES) and set(action.roles.values()) == {"all"}
        second = "a second person where the policy asks for one" if action.by_policy else "a second person"
        notes = [note for note, holds in (("people only", action.by_people), (second, action.four_eyes)) if holds]
        said = "everybody with a role" if everybody else ", ".join(who) or "nobody"
        rows.append(f"| `{action.name}` | {action.says} | {said} | {', '.join(notes)} |")
    head = "| action | a person may | who, in their use cases | besides |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n"


def _mutations() -> str:
    """A line for each action, with the mutations of Dagster's GraphQL that need it."""
    rows = []
    for action in dict.fromkeys(mutation.action for mutation in MUTATIONS.values()):
        names = ", ".join(f"`{name}`" for name, mutation in MUTATIONS.items() if mutation.action == action)
        needed = "by the stages that it makes" if action == START else f"`{action}`"
        rows.append(f"| {needed} | {names} |")
    return "| needs | mutations of Dagster's GraphQL |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 if the page is not up to date")
    if parser.parse_args().check:
        fresh = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        advice = "is up to date" if fresh else "is not up to date. Run: python scripts/write_rights.py"
        print(f"{PAGE.name} {advice}")
        return 0 if fresh else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

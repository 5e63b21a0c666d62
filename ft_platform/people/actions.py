"""What can be done, and by which roles: the table that the command line, the web pages and the docs read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ft_platform.use_case.settings.roles import ROLES

Reach = Literal["own", "all"]
"""`own`: in use cases whose owner a person is in that role. `all`: in every use case, and in the installation."""

EVERYBODY: dict[str, Reach] = dict.fromkeys(ROLES, "all")
ENGINEERS: dict[str, Reach] = dict.fromkeys(("data_engineering", "data_science", "ml_engineering"), "own")
OWNERS: dict[str, Reach] = dict.fromkeys((role.name for role in ROLES.values() if role.of_a_use_case), "own")
ADMINISTRATOR: dict[str, Reach] = {"administrator": "all"}
AUDITOR: dict[str, Reach] = {"auditor": "all"}


@dataclass(frozen=True)
class Action:
    """Something that a person does.

    Attributes:
        says: in words, as in "may ...".
        roles: who may, and how far. Roles that are not named may not.
        by_people: never by a service token.
        four_eyes: another person confirms it, and nobody does it about their own work.
        by_policy: another person confirms it only where the policy asks for one.
    """

    name: str
    says: str
    roles: Mapping[str, Reach] = field(default_factory=lambda: MappingProxyType({}))
    by_people: bool = False
    four_eyes: bool = False
    by_policy: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", MappingProxyType(dict(self.roles)))


def _of(reach: Reach, *roles: str) -> dict[str, Reach]:
    return dict.fromkeys(roles, reach)


ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        Action("see", "see graphs, states of runs, and reports, which hold no record of a person", EVERYBODY),
        Action("ask", "ask a served model on its page", OWNERS),
        Action("read_logs", "read logs and settings of runs", ENGINEERS | ADMINISTRATOR | AUDITOR),
        Action("read_debug", "download debug files of runs", ADMINISTRATOR | AUDITOR),
        Action(
            "read_records",
            "look at records in the restricted zone, for a stated purpose",
            _of("own", "data_engineering"),
            by_people=True,
        ),
        Action(
            "look_up_person",
            "learn which person a pseudonym stands for",
            _of("own", "compliance"),
            by_people=True,
            four_eyes=True,
            by_policy=True,
        ),
        Action("read_audit_log", "read the audit log", _of("own", "compliance") | ADMINISTRATOR | AUDITOR),
        Action("start_data", "start stages from source to splits", _of("own", "data_engineering")),
        Action("start_training", "start trainings and what follows", _of("own", "data_science", "ml_engineering")),
        Action("start_reports", "start reports that train nothing", OWNERS),
        Action("stop_runs", "stop runs", ENGINEERS | ADMINISTRATOR),
        Action(
            "automate",
            "turn schedules and sensors on and off, and move their cursors",
            _of("own", "data_engineering", "ml_engineering") | ADMINISTRATOR,
        ),
        Action("reload", "load the code and the files of use cases again", _of("all", *ENGINEERS) | ADMINISTRATOR),
        Action("edit_use_case", "change the file of a use case", ENGINEERS),
        Action(
            "review", "judge answers and labels, and write golden prompts", _of("own", "domain_expert"), by_people=True
        ),
        Action(
            "repair",
            "take records to annotate, correct labels and answers, and mark personal data that was missed",
            _of("own", "domain_expert", "data_science"),
            by_people=True,
        ),
        Action(
            "show_again",
            "say that what was replaced in a text is no personal data",
            _of("own", "compliance", "domain_expert"),
            by_people=True,
            four_eyes=True,
        ),
        Action(
            "waive",
            "waive a rule of a decision that belongs to their role",
            _of("own", "accountable", "compliance", "domain_expert"),
            by_people=True,
            four_eyes=True,
            by_policy=True,
        ),
        Action(
            "approve",
            "approve a decision for release",
            OWNERS,
            by_people=True,
        ),
        Action("release", "release what was accepted and approved", _of("own", "accountable", "ml_engineering")),
        Action("deploy", "deploy a release, and give it traffic", _of("own", "ml_engineering")),
        Action(
            "take_back",
            "roll back, withdraw or block a release",
            _of("own", "accountable", "ml_engineering", "compliance"),
        ),
        Action("ask_for_erasure", "record that a person asks to be erased", OWNERS, by_people=True),
        Action(
            "disclose",
            "take out what is held on a person, for that person",
            _of("own", "compliance"),
            by_people=True,
        ),
        Action("erase", "erase a person", _of("own", "compliance"), by_people=True, four_eyes=True),
        Action(
            "keep_records",
            "put and lift a legal hold, and confirm that the retention deletes many records",
            _of("own", "compliance"),
            by_people=True,
        ),
        Action("report_incident", "report an incident", OWNERS | ADMINISTRATOR),
        Action("manage_keys", "make and revoke keys of the server", _of("own", "ml_engineering") | ADMINISTRATOR),
        Action(
            "grant_access",
            "decide who else may work in a use case or look at it, until a day",
            _of("own", "accountable") | ADMINISTRATOR,
            by_people=True,
            four_eyes=True,
        ),
        Action("manage_people", "give and take roles, logins and tokens", ADMINISTRATOR, by_people=True),
        Action("manage_installation", "change policy, keys and machines", ADMINISTRATOR, by_people=True),
        Action("delete_history", "delete runs and events of assets", ADMINISTRATOR, by_people=True),
        Action("report_from_outside", "say that an asset was made or checked elsewhere"),
    )
}
"""Name -> action. `report_from_outside` is nobody's: a result that nobody computed here may not be shown as one."""

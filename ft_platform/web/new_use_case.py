"""What the page for a new use case does: the questions and the file of `ft new`, with the person who signed in.

The server writes no file: who changed a use case is known from the commits of its files, and approvals rest on that.
Covered: who may not edit use cases or start from a source; sources inside the installation's own folder; a name that
is taken. Not covered: an answer is compared with the values of its column, so it tells whether the column has it."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from ft_platform.errors import ConfigError
from ft_platform.lake.opening import open_lake
from ft_platform.onboarding.proposal.draft import Answers, Draft, draft
from ft_platform.onboarding.proposal.propose import Proposal
from ft_platform.onboarding.proposal.questions import OPEN, Unclear, questions
from ft_platform.onboarding.proposal.shapes import HEADERS, shape_of
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.noted import Noted
from ft_platform.people.person import Person
from ft_platform.release.answers import approvable, approve
from ft_platform.release.duties import duties
from ft_platform.sources.looking import Looked
from ft_platform.use_case.file import FILE_NAME, load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.scaffold import check_name
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.asking import Download, Form

TAKE = "take"
KINDS = ("classification", "generation")


class _Unfinished(Exception):
    """Not every question was shown to the person yet."""


def proposed(environment: Environment, person: Person, form: Form) -> Mapping[str, Any] | Download:
    """What a form gets: `{"asked", "shape", "file"}`, or the file once it is taken.

    Args:
        form: `name`, `source`, `kind`, and path -> answer. A path that is not there was not asked yet.

    Raises:
        ConfigError: the name is taken, or the answers fit no file.
        SourceError, TransientError: the source cannot be looked at.
    """
    name, source = form.get("name", "").strip(), form.get("source", "").strip()
    check_name(name)
    if (environment.defs / name).exists():
        raise ConfigError([f"there is a use case {name} already"], "Choose another name, or edit its file")
    _require_outside(environment, source)
    log = audit_log_of(open_lake(environment))
    log(Noted("settings", person, "looked at a source for a new use case", name, {"source": source}))
    asked: list[dict[str, str | bool]] = []
    shape: list[tuple[str, ...]] = []

    def ask(made: Proposal, looked: Looked) -> Answers:
        shape.extend(shape_of(made.columns, looked.rows, made.roles()))
        given = _answered(made, looked, person, form, asked)
        if any(one["new"] or one["problem"] for one in asked):
            raise _Unfinished
        return Answers(given, person.name)

    kind = form.get("kind") if form.get("kind") in KINDS else None
    try:
        made = draft(name, source, environment, {}, kind, ask=ask)
    except _Unfinished:
        return {"asked": asked, "shape": (HEADERS, shape), "file": None}
    use_case = _loaded(environment, name, made.text)
    if form.get("what") == TAKE:
        approve(open_lake(environment), use_case, list(made.answers.values), person)
        return Download(FILE_NAME, "application/yaml", made.text.encode())
    return {"asked": asked, "shape": (HEADERS, shape), "file": _file(environment, use_case, made, person)}


def _answered(
    made: Proposal, looked: Looked, person: Person, form: Form, asked: list[dict[str, str | bool]]
) -> dict[str, Any]:
    """Fields that the answers of a form fill. What is asked is added to `asked`."""
    answered: dict[str, Any] = {}
    for question in questions(made, looked, answered, person.name):
        text, problem = form.get(question.path, question.proposed).strip(), ""
        is_new = question.path not in form
        if text and not is_new:
            try:
                answered |= question.fields(text)
            except Unclear as unclear:
                problem = str(unclear)
        asked.append({"path": question.path, "asks": question.asks, "text": text, "problem": problem, "new": is_new})
    return answered


def _require_outside(environment: Environment, source: str) -> None:
    """Returns if a source is an address, or a path that is not one of the installation's own files.

    Raises:
        ConfigError: it is not.
    """
    parts = urlsplit(source)
    path = Path(unquote(parts.path if parts.scheme in ("file", "sqlite", "local") else source))
    if "://" in source and parts.scheme not in ("file", "sqlite", "local"):
        return
    if not path.is_absolute():
        raise ConfigError(["the source must be a whole path on the server, or an address such as s3://bucket/file"])
    own = (environment.home, environment.people_path, *filter(None, (environment.key_file,)))
    if any(path.resolve().is_relative_to(one.resolve()) or one.resolve().is_relative_to(path.resolve()) for one in own):
        raise ConfigError(["the source holds files of the installation itself"], "Put the records in another folder")


def _loaded(environment: Environment, name: str, text: str) -> NamedUseCase:
    """The use case as `ft check` will load it."""
    with TemporaryDirectory(prefix="ft-new-") as folder:
        file = Path(folder) / name / FILE_NAME
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
        return load_use_case(file.parent, environment=environment).model_copy(update={"path": None})


def _file(environment: Environment, use_case: NamedUseCase, made: Draft, person: Person) -> dict[str, Any]:
    """The text, where it belongs, and what else a release needs."""
    return {
        "text": made.text,
        "place": f"{environment.defs.name}/{use_case.name}/{FILE_NAME}",
        "open": made.text.count(f"# {OPEN}"),
        "notes": made.proposal.notes,
        "approves": list(approvable(use_case, list(made.answers.values), person.name)),
        "needed": [one for one in duties(open_lake(environment), use_case) if one.rule],
    }

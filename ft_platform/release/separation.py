"""Who did what an approval is about, so that nobody approves their own work.

Covered: who started each run that trained a checkpoint, where all of them say it: one may have been stopped, and
another one have resumed it; who changed the YAML and the code of the
use case since the last release, as git says: author and committer of each commit. Not covered: what git was told by
whoever committed. Where nobody knows, it may have been anybody (`people.may.persons_needed`)."""

from collections.abc import Mapping

from ft_platform.lake.manifest import now
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.deciders import deciders
from ft_platform.people.may import Acted, conflict, persons_needed
from ft_platform.people.person import SIGNED_IN, Person
from ft_platform.people.started import starter
from ft_platform.people.statements import state, statements
from ft_platform.process.git import git, is_as_committed
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.people import People

TRAINED, CHANGED = "trained the checkpoint", "changed the file of the use case"
TRAINED_BY = "trained_by"
"""The verdict beside a checkpoint that names who started its training."""
STARTED = "training_start"
"""The statement of who started a run that trains a checkpoint, made before it does."""
COMMIT = "use_case_commit"
"""Key of a release: the commit of the use case's folder that it was made with; None: nobody knows."""
FILES = ("*.yaml", "*.py")


def acted(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion | None) -> dict[str, set[str] | None]:
    """What was done -> names of those who did; None: nobody knows."""
    trained = lake.verdicts(checkpoint).get(TRAINED_BY) if checkpoint else None
    return {TRAINED: set(trained.numbers["persons"]) if trained else None, CHANGED: _changed_by(lake, use_case)}


def may_sign(role: str, use_case: NamedUseCase, people: People, did: Acted) -> list[str]:
    """Who may sign a decision in a role, and did not do what it is about."""
    named = deciders(role, use_case, people)
    return [name for name in named if not conflict(Person(name), "approve", did)]


def signers_needed(use_case: NamedUseCase, did: Acted) -> int:
    """How many different persons have to sign, where anybody has to."""
    return max(persons_needed("approve", did), use_case.policy.signatures.persons)


def note_start(lake: Lake, use_case: NamedUseCase, checkpoint_id: str, run_id: str, tags: Mapping[str, str]) -> None:
    """Notes who starts a run that trains a checkpoint. It may be stopped before there is one, and go on in another run.

    Args:
        run_id, tags: of the run.
    """
    if lake.signing is None:
        return
    person = starter(run_id, tags, lake.signing.keys)
    known = person if person and person.known_by in SIGNED_IN else None
    said = {"checkpoint": checkpoint_id, "run": run_id, "person": known.name if known else ""}
    said |= {"known_by": known.known_by if known else "", "at": now("milliseconds")}
    state(lake, use_case, STARTED, said, [])


def note_trainers(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion) -> None:
    """Notes who started the runs that trained a checkpoint, where all had signed in: an account of the operating
    system, a service token, and a name that was typed may be anybody's."""
    if lake.signing is None:
        return
    starts = [one.said for one in statements(lake, use_case, STARTED)]
    persons = {one["person"] for one in starts if one["checkpoint"] == checkpoint.artifact_id}
    if persons and "" not in persons:
        lake.add_verdict(checkpoint, TRAINED_BY, True, "", {"persons": sorted(persons)})


def commit_of(use_case: NamedUseCase) -> str | None:
    """The commit that the use case's folder is at; None where there is no repository, its files are not those that
    were committed, or a run has settings of its own."""
    folder = use_case.path.parent if use_case.path and not use_case.overridden else None
    if folder is None or not is_as_committed(folder, *FILES):
        return None
    return (git(folder, "rev-parse", "HEAD") or "").strip() or None


def _changed_by(lake: Lake, use_case: NamedUseCase) -> set[str] | None:
    """E-mail addresses of those who changed its files since the release that stands, or ever if there is none."""
    stands = next(iter(standing_releases(lake, use_case.name)), None)
    since = stands.record.get(COMMIT) if stands else None
    if commit_of(use_case) is None or (stands and since is None):
        return None
    assert use_case.path
    folder = use_case.path.parent
    if (git(folder, "rev-parse", "--is-shallow-repository") or "").strip() != "false":
        return None
    # Not `--since`: whoever commits chooses the date.
    commits = f"{since}..HEAD" if since else "HEAD"
    found = git(folder, "log", "--format=%ae%n%ce", commits, "--", *FILES)
    return None if found is None or not (found or since) else {line.strip().lower() for line in found.splitlines()}

"""What back ends have in common whose jobs are started through the API of a cloud, and read their variables from its
store of secrets."""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from ft_platform.compute.backend import Job, Launch, Scheduler, Unreachable
from ft_platform.errors import SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

TAG = "ft-platform"
"""On jobs, so that policies and the bill can tell them from others."""
LOOK_SECONDS = 1.0
MOST_CHARACTERS = 300
"""Of a reason that is passed on."""


def check_texts(profile: "ComputeProfile", needed: Sequence[str], texts: Sequence[str], others: Sequence[str]) -> None:
    """Raises:
    ValueError: an option is missing, not known or no text.
    """
    name, options, known = profile.backend, profile.options, [*needed, *texts, *others]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"`backend: {name}` has no option {', '.join(unknown)}; it has {', '.join(known)}")
    if missing := [one for one in needed if not options.get(one)]:
        raise ValueError(f"`backend: {name}` needs `options` {', '.join(missing)}")
    if wrong := [one for one in (*needed, *texts) if one in options and not _line(options[one])]:
        raise ValueError(f"options of `backend: {name}` that must be one line of text each: {', '.join(wrong)}")


def _line(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\n" not in value


def nodes_of(profile: "ComputeProfile") -> int:
    """Machines that work on one model.

    Raises:
        ValueError: processes or GPUs cannot be divided among them.
    """
    nodes = profile.options.get("nodes", 1)
    if not isinstance(nodes, int) or nodes < 1 or profile.processes % nodes or profile.gpus % nodes:
        raise ValueError(f"`processes` and `gpus` must be multiples of `nodes`, got nodes {nodes}")
    return nodes


def module_and_arguments(launch: Launch) -> list[str]:
    """What `python -m` runs on one machine, in all processes of the profile."""
    if not launch.works_together:
        return [launch.module]
    group = [f"--nproc-per-node={launch.profile.processes}", "--module", launch.module]
    return ["ft_platform.programs.together", "--standalone", *group]


def secret_text(job: Job, most_bytes: int, where: str, without: Collection[str] = ()) -> str:
    """All variables of a job, for a store of secrets.

    Args:
        without: those that are not sent unless the profile names them.

    Raises:
        SubmissionRefused: it does not take that much.
    """
    named = job.launch.profile.environment
    text = json.dumps({name: value for name, value in job.variables.items() if name in named or name not in without})
    if (size := len(text.encode())) > most_bytes:
        raise SubmissionRefused(
            f"settings and variables of program {job.launch.program} are {size:,} bytes, and {where} holds"
            f" {most_bytes:,}",
            "Put long texts of the use case into files",
        )
    return text


def labels(launch: Launch) -> Mapping[str, str]:
    return {TAG: "launch", f"{TAG}-use-case": launch.use_case.name, f"{TAG}-program": launch.program}


def one_line(text: str | None) -> str:
    """A reason in the words of a service, short."""
    return " ".join((text or "").split())[:MOST_CHARACTERS]


def wait_for_end(scheduler: Scheduler, job_id: str, seconds: float) -> None:
    """Of a job that was told to end.

    Raises:
        Unreachable: it still runs after so many seconds.
    """
    until = time.monotonic() + seconds
    while scheduler.look(job_id).phase in ("waits", "runs"):
        if time.monotonic() > until:
            raise Unreachable(f"job {job_id} was told to end, and has not")
        time.sleep(LOOK_SECONDS)

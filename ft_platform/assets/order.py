"""What a command asks of a stage beyond making it, and who does it. It reaches the stage as a resource: the
configuration of a run has no text and names no variable of the server, whoever started it."""

from dataclasses import dataclass, field, replace

import dagster as dg

from ft_platform.people.person import Person, at_this_machine
from ft_platform.people.started import starter

PREVIOUS = "previous"
"""`release`: the newest earlier one with another checkpoint."""


@dataclass(frozen=True)
class Order:
    """What a run is asked to do. Without a command: the usual thing, or what its job is for.

    Attributes:
        release: id of a release: to go back to, or `previous`; to deploy. Empty: the newest.
        reason: why a release is gone back to, or is released again after it was withdrawn.
        standing: show what is released now, and release nothing.
        by: who does it: whoever started the run, as the web server signed it; else whom the command names.
        job: of the run.
    """

    release: str = ""
    reason: str = ""
    standing: bool = False
    by: Person = field(default_factory=at_this_machine)
    job: str = ""


def order_resource(given: Order) -> dg.ResourceDefinition:
    """The resource `order` of the runs of a process.

    Args:
        given: by the command that is the process.
    """

    @dg.resource(required_resource_keys={"lake"}, description="What a command asks of a stage, and who does it.")
    def order(context: dg.InitResourceContext) -> Order:
        lake, run = context.resources.lake, context.run
        person = starter(run.run_id, run.tags, lake.signing.keys) if run and lake.signing else None
        return replace(given, by=person or given.by, job=run.job_name if run else "")

    return order

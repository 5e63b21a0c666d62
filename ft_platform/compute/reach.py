"""Whether a compute profile can be used from here, without starting anything: a plan says so before somebody waits."""

import threading
from importlib import import_module
from inspect import signature
from typing import Any

from ft_platform.compute.backend import CredentialsRefused, Scheduler, Unreachable
from ft_platform.errors import FtError
from ft_platform.use_case.settings.compute_profile import BACKENDS, ComputeProfile

SECONDS = 20.0
NOBODY = "ft-0000000000000000-00000000"
"""Name of a job that there is not."""
OF_A_SCHEDULER = ("submit", "find", "look", "stop")


def why_not(profile: ComputeProfile) -> str:
    """Why programs cannot be started on a profile from here, as far as a question shows it; empty: its scheduler
    answers, or they run on this machine. The question is for a job that there is not."""
    said: list[str] = []

    def ask() -> None:
        try:
            scheduler = scheduler_of(profile)
            if scheduler is not None:
                scheduler.find(NOBODY)
            said.append("")
        except (Unreachable, CredentialsRefused) as error:
            said.append(f"{type(error).__name__}: {' '.join(str(error).split())}")
        except FtError as error:
            said.append(" ".join(str(error).split()))
        except Exception as error:  # whatever a client raises: the plan is still true
            said.append(type(error).__name__)

    # Clients wait and repeat for minutes; what is still asking then ends with this process.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    return said[0] if said else f"no answer within {SECONDS:.0f} seconds"


def scheduler_of(profile: ComputeProfile) -> Scheduler | None:
    """The one class of a back end that is a `Scheduler`; None: its programs run on this machine."""
    module = import_module(f"{BACKENDS}.{profile.backend}")
    own = (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__)
    kind: Any = next((one for one in own if all(hasattr(one, name) for name in OF_A_SCHEDULER)), None)
    if kind is None:
        return None
    options = profile.options
    return kind(**{name: options if name == "options" else options[name] for name in signature(kind).parameters})

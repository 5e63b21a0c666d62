"""Where and how programs run: what a use case names, and the installation maps to a machine, cluster or cloud."""

import re
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ft_platform.use_case.settings.file_names import NameOfFile

if TYPE_CHECKING:
    from ft_platform.use_case.settings.experiments import Search

BACKENDS = "ft_platform.compute.backends"
"""Package whose files are the back ends of compute profiles."""
GONE = {
    "aws_ecs": "use `aws_batch` with a queue of Fargate or of machines with GPUs",
    "hf_jobs": "use another back end, such as `kubernetes`, `aws_batch` or `ray`",
}
"""Back ends of earlier versions -> what to use instead."""


class ComputeProfile(BaseModel):
    """Where a program runs. A use case names a profile, never a back end."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    backend: Annotated[str, NameOfFile(BACKENDS)] = Field(
        default="local",
        description=(
            "Compute back end: a file in `ft_platform/compute/backends/`. `local`: one process. `torchrun`:"
            " `processes` that train one model together. `slurm`: a job of a Slurm cluster. `kubernetes`: a Job of a"
            " Kubernetes cluster. `aws_batch`: a job of AWS Batch. `aws_sagemaker`: a training"
            " job of Amazon SageMaker AI. `gcp_vertex`: a custom job of Vertex AI."
            " `azure_ml`: a command job of Azure Machine Learning. `databricks`: a job run of a Databricks workspace."
            " `ray`: a job of a Ray cluster."
        ),
    )
    options: dict[str, bool | int | float | str] = Field(
        default_factory=dict,
        max_length=100,
        description="The back end's own settings, such as a queue. `local` and `torchrun` have none.",
    )
    processes: int = Field(
        default=1,
        ge=1,
        le=1024,
        description=(
            "For all but `local`: processes that train together, one per GPU, on this machine or on all nodes; on CPUs"
            " they share the threads."
        ),
    )
    sharded: bool = Field(
        default=False,
        description=(
            "For all but `local`: divide the weights between the processes (FSDP), for models too large for one of"
            " them."
        ),
    )
    environment: dict[str, str] = Field(default_factory=dict, description="Environment variables of the program.")
    price_per_hour: float | None = Field(
        default=None,
        ge=0.0,
        le=100_000.0,
        description="Price of an hour, in `currency`; 0.0: it is free. Default: nobody knows, and no cost is shown.",
    )
    price_as_of: str | None = Field(
        default=None,
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description='Day on which somebody looked up the price, such as "2026-11-01"; plans say it. Default: unknown.',
    )
    currency: str = Field(
        default="EUR",
        pattern=r"^[A-Z]{3}$",
        description="Currency of prices and budgets: an ISO 4217 code. Default: EUR.",
    )
    gpus: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="GPUs that you pay for while a program runs; counted as GPU-hours. Default: none.",
    )
    watts: float | None = Field(
        default=None,
        gt=0.0,
        le=10_000_000.0,
        description=("Power draw in watts, to count kWh. Default: unknown, kWh are not counted."),
    )
    memory_limit_gib: float | None = Field(
        default=None,
        gt=0.0,
        le=1_000_000.0,
        description="Most memory of a program in GiB; on a GPU, GPU memory. Default: what the machine has.",
    )

    @model_validator(mode="before")
    @classmethod
    def names_nothing_unsupported(cls, given: Any) -> Any:
        """A back end that is gone; a TPU, on which programs would not fail but compute on the CPU beside it."""
        named = given if isinstance(given, dict) else {}
        if instead := GONE.get(str(named.get("backend"))):
            raise ValueError(f"`backend: {named['backend']}` is gone: {instead}")
        options, variables = named.get("options"), named.get("environment")
        device = variables.get("PJRT_DEVICE") if isinstance(variables, dict) else None
        if re.search(r"\btpu", f"{named.get('backend')} {options} {device}", re.IGNORECASE):
            raise ValueError(
                "TPUs are not supported: the newest torch_xla (2.9) is built for torch 2.9, and the platform needs 2.10"
                " or newer. Name GPUs, or CPUs"
            )
        return given

    @model_validator(mode="after")
    def fits_its_backend(self) -> "ComputeProfile":
        if self.sharded and self.processes == 1:
            raise ValueError("`sharded` needs 2 or more `processes`")
        import_module(f"{BACKENDS}.{self.backend}").check(self)
        return self

    def tasks_of(self, program: str, search: "Search") -> int:
        """Tasks of one job array as which a program is started, where the back end has arrays: trials of a search that
        are made at once, each with all that the profile gives. 1: it is no array."""
        arrays = getattr(import_module(f"{BACKENDS}.{self.backend}"), "ARRAYS", False)
        return min(search.parallel, search.trials) if program == "search" and arrays else 1

    @property
    def runs_here(self) -> bool:
        """Whether programs run on this machine, so that its memory is theirs."""
        return import_module(f"{BACKENDS}.{self.backend}").MEMORY == "here"

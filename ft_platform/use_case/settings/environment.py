"""One installation: where things live and run. Lake, key, base models, tracker and compute profiles. Departments never
name these."""

import os
import re
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ft_platform.errors import ConfigError
from ft_platform.use_case.settings.alerting import Alerting, Lineage
from ft_platform.use_case.settings.audit_log import AuditLogSettings
from ft_platform.use_case.settings.backup import BackupSettings
from ft_platform.use_case.settings.budgets import Budgets
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment_file import CHECKOUT
from ft_platform.use_case.settings.hosts import authority
from ft_platform.use_case.settings.lake_keys import VARIABLE as LAKE_KEYS
from ft_platform.use_case.settings.lake_keys import LakeKeys, told
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import DEFAULT, Policy
from ft_platform.use_case.settings.quotas import Queue, Quotas
from ft_platform.use_case.settings.sign_in import SignIn
from ft_platform.use_case.settings.unity_catalog import UnityCatalog

SHIPPED = Path(__file__).parents[2] / "defs"
"""The use cases of the package."""

STORAGE_VARIABLES = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ALLOW_HTTP",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ALLOW_HTTP",
    "STORAGE_EMULATOR_HOST",
)
"""Not those of a workload identity, which belong to one machine or pod: the clients read them by themselves."""

PORTAL = "/portal"
"""Path of the portal and of all reports below Dagster's pages."""

REPORTS_URL = f"http://127.0.0.1:3000{PORTAL}"

Filled = TypeVar("Filled", bound=BaseModel)
Work = Literal["acting", "deploying", "erasing", "measuring", "retraining"]


def _filled(section: Filled, values: dict[str, Any]) -> Filled:
    """A section with values for the fields that it leaves open."""
    return section.model_copy(update={name: value for name, value in values.items() if getattr(section, name) is None})


class Environment(BaseModel):
    """One installation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(
        description=(
            "Folder of this installation. Variable FT_HOME, default `.ft` beside the file, or in the working"
            " directory if there is no file."
        )
    )
    lake_root: str = Field(
        default="",
        description=(
            "Root of the lake: a folder, or `s3://`, `abfss://` or `gs://` with bucket and prefix. Variable"
            " FT_LAKE_ROOT, default `<home>/lake`."
        ),
    )
    lake_keys: LakeKeys = Field(
        default_factory=dict,
        description=(
            "For a lake in S3: KMS key (ARN) of each zone: `shared`, `restricted`, `vault`, `audit_log`. Everything is"
            " written under the key of its zone, and `ft lake check` proves it. Variable FT_LAKE_KEYS"
            " (`shared=KEY,restricted=KEY,...`). Default: the bucket's own encryption."
        ),
    )
    restricted_group: str = Field(
        default="",
        max_length=100,
        description=(
            "Operating system group whose members may read and write `restricted/` and `vault/` of a local lake, once"
            " `ft lake harden` has run. Variable FT_RESTRICTED_GROUP, default: only the account that made them."
        ),
    )
    key_file: Path | None = Field(
        default=None,
        description="File with the pseudonym key. Variable FT_KEY_FILE, default `<home>/vault/pseudonym.key`.",
    )
    key_provider: str = Field(
        default="",
        description=(
            "Where the pseudonym key is kept: `file`, `environment`, `aws_kms:<key id>` (`key_file` holds it"
            " encrypted), `aws_secrets_manager:<secret id>`. Variable FT_KEY_PROVIDER, default `environment` if"
            " FT_PSEUDONYM_KEY is set, else `file`."
        ),
    )
    vault_key_provider: str = Field(
        default="file",
        description=(
            "Where the key that reads the vault is kept, as `key_provider` (`environment`: FT_VAULT_KEY). Only `ft"
            " vault` needs it. Variable FT_VAULT_KEY_PROVIDER."
        ),
    )
    vault_key_file: Path | None = Field(
        default=None,
        description=(
            "File with the key that reads the vault. Variable FT_VAULT_KEY_FILE, default `<home>/vault/vault.key`."
        ),
    )
    vault_public_key_file: Path | None = Field(
        default=None,
        description=(
            "File with the public key that writes the vault; it cannot read anything. Variable"
            " FT_VAULT_PUBLIC_KEY_FILE, default `<home>/vault/vault.pub`."
        ),
    )
    signing_key_provider: str = Field(
        default="file",
        description=(
            "Where the key that signs manifests, verdicts and decisions is kept, as `key_provider` (`environment`:"
            " FT_SIGNING_KEY). Variable FT_SIGNING_KEY_PROVIDER."
        ),
    )
    signing_key_file: Path | None = Field(
        default=None,
        description="File with the signing key. Variable FT_SIGNING_KEY_FILE, default `<home>/vault/signing.key`.",
    )
    seals_folder: Path | None = Field(
        default=None,
        description=(
            "Folder with the public keys and the newest signature of each use case: outside the lake, readable for"
            " whoever verifies, writable only for the programs, shared by all machines that write the lake. Variable"
            " FT_SEALS_FOLDER, default `<home>/seals`."
        ),
    )
    tracking_uri: str = Field(
        default="", description="MLflow tracking URI, or `none`. Variable FT_TRACKING_URI, default sqlite in `<home>`."
    )
    registry_prefix: str = Field(
        default="",
        pattern=r"^([\w-]+\.){0,2}$",
        description=(
            "What stands before the name of a use case in MLflow's Model Registry. Unity Catalog needs"
            " `<catalog>.<schema>.`, with the dot. Variable FT_REGISTRY_PREFIX."
        ),
    )
    trackers: list[Literal["mlflow", "wandb"]] = Field(
        default_factory=lambda: ["mlflow"],
        max_length=2,
        description=(
            "Trackers, which all get the same events: files in `ft_platform/tracking/trackers/`. Variable FT_TRACKERS"
            " (`mlflow,wandb`), default mlflow."
        ),
    )
    wandb_mode: Literal["offline", "online"] = Field(
        default="offline",
        description=(
            "`offline`: runs are written to `<home>/wandb` and nothing is sent (`wandb sync` can do that later)."
            " `online`: runs are sent to WANDB_BASE_URL, with the key in WANDB_API_KEY. Variable FT_WANDB_MODE,"
            " default offline."
        ),
    )
    wandb_entity: str = Field(
        default="",
        max_length=200,
        description=("Team or user of Weights & Biases. Variable FT_WANDB_ENTITY, default: the owner of the key."),
    )
    unpinned_base_models: Literal["warn", "refuse"] = Field(
        default="warn",
        description=(
            "What to do with a hub model whose `base_model.revision` is not a commit: its owner can move a branch or"
            " tag to other weights. Variable FT_UNPINNED_BASE_MODELS, default warn."
        ),
    )
    cache: Path | None = Field(
        default=None, description="Cache of converted base models. Variable FT_CACHE, default `<home>/cache`."
    )
    reports_url: str = Field(
        default=REPORTS_URL,
        description=(
            "Address at which browsers reach the portal and reports: of `ft ui` with `/portal`, or of `ft reports`."
            " Variable FT_REPORTS_URL."
        ),
    )
    web_hosts: list[str] = Field(
        default_factory=list,
        max_length=100,
        description=(
            "Names at which browsers reach `ft ui` and `ft reports`, besides those of this machine:"
            " `ml.example.org`, `10.0.0.5:3000`. Without a port, any port is allowed. Requests to other names are"
            " refused. Variable FT_WEB_HOSTS (`a,b`), default none."
        ),
    )
    identities: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "Use case -> operating system account that it runs under, with its own lake, keys and Dagster instance."
            " Needs root. Default: all run under the account that starts them."
        ),
    )
    defs: Path = Field(
        default=SHIPPED, description=("Folder of the use cases. Variable FT_DEFS, default: the shipped ones.")
    )
    profiles: dict[str, ComputeProfile] = Field(
        default_factory=lambda: {"local": ComputeProfile()}, description="Compute profiles by name."
    )
    budgets: Budgets = Field(
        default_factory=Budgets, description="Most that programs may cost in a month. Default: no limit."
    )
    quotas: Quotas = Field(default_factory=Quotas, description="What each team may use in a month. Default: no limit.")
    queue: Queue = Field(default_factory=Queue, description="Who is next when all places for programs are taken.")
    people: People = Field(
        default_factory=People, description="Roles of persons and groups in the whole installation. Default: none."
    )
    sign_in: SignIn = Field(
        default_factory=SignIn, description="How persons sign in to the web pages. Default: as users of `ft users`."
    )
    audit_log: AuditLogSettings = Field(
        default_factory=AuditLogSettings,
        description="Where the audit log is anchored, and who gets its entries. Default: nowhere, nobody.",
    )
    backup: BackupSettings | None = Field(
        default=None, description="Where `ft backup` writes. Default: nowhere, and `ft backup` says so."
    )
    policy: Policy = Field(
        default_factory=Policy,
        description="Minimum that every use case must meet, whatever its file says. Default: the policy `default`.",
    )
    alerting: Alerting = Field(
        default_factory=Alerting, description="Channels for alerts, and when they wait. Default: no channel."
    )
    lineage: Lineage | None = Field(
        default=None, description="Collector that is told of runs as OpenLineage events. Default: none is."
    )
    unity_catalog: UnityCatalog | None = Field(
        default=None, description="Unity Catalog that shows tables of the lake. Default: none does."
    )

    @model_validator(mode="after")
    def has_one_currency(self) -> "Environment":
        currencies = sorted({profile.currency for profile in self.profiles.values()})
        if len(currencies) > 1:
            raise ValueError(f"all `profiles` must have one currency, because budgets add them up, got {currencies}")
        return self

    @field_validator("policy")
    @classmethod
    def has_a_name_of_its_own(cls, value: Policy) -> Policy:
        """Only where it is set: what sign-in fills in (`with_duties`) leaves the default policy its name."""
        if value.name == DEFAULT and value != Policy():
            raise ValueError("a policy of your own needs `name`, which every decision shows")
        return value

    @field_validator("trackers", mode="before")
    @classmethod
    def are_names(cls, value: Any) -> Any:
        """`mlflow,wandb` or `none`, as a variable has it."""
        if isinstance(value, str):
            value = [] if value.strip() == "none" else [name.strip() for name in value.split(",") if name.strip()]
        if isinstance(value, list) and len(set(value)) != len(value):
            raise ValueError(f"names a tracker twice: {value}")
        return value

    @field_validator("web_hosts", mode="before")
    @classmethod
    def are_hosts(cls, value: Any) -> Any:
        """`a,b`, as a variable has it."""
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",") if name.strip()]
        if isinstance(value, list) and (
            wrong := [name for name in value if not isinstance(name, str) or authority(name) is None]
        ):
            raise ValueError(
                f"must be host names with or without a port, like ml.example.org or 10.0.0.5:3000, got {wrong}"
            )
        return value

    @field_validator("reports_url")
    @classmethod
    def is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.port == 0
            or re.search(r"[\s?#]", value)
        ):
            raise ValueError(
                f"must be an address like http://127.0.0.1:3001 or https://ml.example.org/portal, got {value!r}"
            )
        return value

    @property
    def writable_defs(self) -> Path:
        """Where new use cases are written: never into an installed package, whose next version would remove them.

        Raises:
            ConfigError: the use cases are those of an installed package.
        """
        if self.defs.resolve().is_relative_to(SHIPPED.parent.resolve()) and not (CHECKOUT / "pyproject.toml").is_file():
            raise ConfigError(
                ["there is no folder for use cases here, and an upgrade would overwrite the package's own"],
                "Make a repository once: ft init NAME && cd NAME",
            )
        return self.defs

    @property
    def lake_uri(self) -> str:
        return self.lake_root or str(self.home / "lake")

    @property
    def key_path(self) -> Path:
        return self.key_file or self.home / "vault" / "pseudonym.key"

    @property
    def pseudonym_key_provider(self) -> str:
        return self.key_provider or ("environment" if os.environ.get("FT_PSEUDONYM_KEY") else "file")

    @property
    def erasure_key_path(self) -> Path:
        """The key that tells who was erased, beside that of the pseudonyms."""
        return self.key_path.with_name("erasure.key")

    @property
    def vault_key_path(self) -> Path:
        return self.vault_key_file or self.home / "vault" / "vault.key"

    @property
    def vault_public_key_path(self) -> Path:
        return self.vault_public_key_file or self.home / "vault" / "vault.pub"

    @property
    def signing_key_path(self) -> Path:
        return self.signing_key_file or self.home / "vault" / "signing.key"

    @property
    def seals_path(self) -> Path:
        return self.seals_folder or self.home / "seals"

    @property
    def people_path(self) -> Path:
        """Users, service tokens and sessions."""
        return self.home / "people"

    @property
    def has_users(self) -> bool:
        """Whether `ft users` made somebody a user; also where the last one was removed."""
        return (self.people_path / "users.json").exists()

    @property
    def signs_in(self) -> bool:
        """Whether persons can sign in here, in any way."""
        proxy = self.sign_in.proxy
        return bool(self.sign_in.openid or (proxy and proxy.says_who) or self.has_users)

    def with_duties(self) -> "Environment":
        """With what the policy leaves open: it follows from whether persons can sign in, for nobody can tell two of
        them apart before. Open fields count as off."""
        if not self.signs_in:
            return self
        signatures = _filled(self.policy.signatures, {"signed_in": True})
        signatures = _filled(signatures, {"confirm_waivers": signatures.signed_in})
        looks = _filled(self.policy.looks, {"signed_in": self.has_users, "second_person": ["vault"]})
        return self.model_copy(
            update={"policy": self.policy.model_copy(update={"signatures": signatures, "looks": looks})}
        )

    def lock(self, work: Work, of: str) -> Path:
        """Held while one process, of all machines of the installation, does this: beside the locks of the signed chain,
        which they share. `<home>` may belong to one machine.

        Args:
            work: `acting`: somebody acts in a use case, in the portal or by a command that does the same.
            of: use case, with more where several may be done at once.
        """
        return self.seals_path / "locks" / f"{work}-{of}.lock"

    @property
    def cache_path(self) -> Path:
        return self.cache or self.home / "cache"

    @property
    def mlflow_uri(self) -> str:
        return self.tracking_uri or f"sqlite:///{self.home}/mlflow.db"

    @property
    def dagster_home(self) -> Path:
        return Path(os.environ["DAGSTER_HOME"]) if os.environ.get("DAGSTER_HOME") else self.home / "dagster"

    def storage_options(self) -> dict[str, str]:
        """Object-store settings that are present as environment variables, and the keys of the zones."""
        found = {name: os.environ[name] for name in STORAGE_VARIABLES if os.environ.get(name)}
        return {**found, **({LAKE_KEYS: told(self.lake_keys)} if self.lake_keys else {})}

    def profile(self, name: str) -> ComputeProfile:
        if name not in self.profiles:
            raise ConfigError(
                [f"compute.profile {name!r} is not a profile of this environment; there are {sorted(self.profiles)}"]
            )
        return self.profiles[name]

    def to_variables(self) -> dict[str, str]:
        """Environment variables that give a program the same environment."""
        return {
            "FT_HOME": str(self.home),
            "FT_LAKE_ROOT": self.lake_uri,
            LAKE_KEYS: told(self.lake_keys),
            "FT_KEY_FILE": str(self.key_path),
            "FT_KEY_PROVIDER": self.key_provider,
            "FT_VAULT_PUBLIC_KEY_FILE": str(self.vault_public_key_path),
            "FT_SIGNING_KEY_PROVIDER": self.signing_key_provider,
            "FT_SIGNING_KEY_FILE": str(self.signing_key_path),
            "FT_SEALS_FOLDER": str(self.seals_path),
            "FT_TRACKING_URI": self.mlflow_uri,
            "FT_TRACKERS": ",".join(self.trackers) or "none",
            **({"FT_REGISTRY_PREFIX": self.registry_prefix} if self.registry_prefix else {}),
            "FT_WANDB_MODE": self.wandb_mode,
            "FT_WANDB_ENTITY": self.wandb_entity,
            "FT_UNPINNED_BASE_MODELS": self.unpinned_base_models,
            "FT_CACHE": str(self.cache_path),
            "FT_REPORTS_URL": self.reports_url,
            "FT_WEB_HOSTS": ",".join(self.web_hosts),
            "FT_DEFS": str(self.defs),
        }

"""What back ends for services of AWS share: clients, what errors mean, and the variables of a job.

A request holds no variable of the program, because whoever may describe a job would read it. All of them lie in one
secret of AWS Secrets Manager, which the job reads (`programs/with_secret.py`) and which is deleted once it has ended.
Keys of AWS that this process has are not sent: the job has a role of its own.
"""

import hashlib
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ft_platform.compute import cloud_jobs
from ft_platform.compute.backend import CredentialsRefused, Job, Launch, Look, NoRoom, Unreachable
from ft_platform.compute.cloud_jobs import TAG, check_texts, secret_text
from ft_platform.errors import MissingExtra, SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

T = TypeVar("T")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
SECRET_BYTES = 65_536
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
PORT = 29_400
"""Where nodes meet: each has a network interface of its own."""
NOT_KNOWN = re.compile(
    "AccessDenied|ExpiredToken|UnrecognizedClient|InvalidClientTokenId|Signature|AuthenticationToken"
)
PASSES = re.compile("Throttl|TooManyRequests|RequestLimit|SlowDown|ServerException|InternalService|ServiceUnavailable")
"""Of AWS's error codes those that say that it does not know who asks, and those that pass."""
FULL = re.compile(r"Capacity is unavailable|limit on the number of")
QUOTA = re.compile(r" is (\d+) Instances, with current utilization of \d+ Instances and a request delta of (\d+)")
"""Of words of a refusal those that say that there is no room now: Fargate without capacity, a quota that others use
up. A quota that is smaller than the job never has room."""
LOST = re.compile(r"Host EC2 .*terminat|Spot (Task|Instance)|DockerTimeoutError|CannotInspectContainer")
PULL = re.compile(r"CannotPull\w*Error|ResourceInitializationError")
PASSING_PULL = re.compile(r"timeout|toomanyrequests|TLS handshake|connection reset|temporarily|50[0-9] ", re.I)
"""Of reasons for the end of a container: its machine is gone; its image did not come, and may come the next time."""


class Aws:
    """One service in one region, and the secrets of its jobs.

    Attributes:
        client: of the service.
        once: asks once only, for a submission that would start a program twice.

    Raises:
        MissingExtra: boto3 is not installed.
    """

    def __init__(self, service: str, options: dict[str, Any]) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise MissingExtra("boto3", "aws") from None

        def client(name: str, attempts: int) -> Any:
            retries = {"mode": "standard", "total_max_attempts": attempts}
            config = Config(retries=retries, connect_timeout=10, read_timeout=60)
            return ask(lambda: boto3.Session().client(name, region_name=options.get("region"), config=config))

        self.client, self.once, self.secrets = client(service, 5), client(service, 1), client("secretsmanager", 5)
        self.kms_key = options.get("kms_key")
        self._submitting: set[str] = set()

    def submit(self, job: Job, submit: Callable[[str], T]) -> T:
        """What `submit` answers, which gets the ARN of the job's variables.

        Raises:
            SubmissionRefused, CredentialsRefused, NoRoom: nothing was submitted, and no secret is left.
        """
        arn = self._keep(job)
        self._submitting.add(job.name)
        try:
            return ask(lambda: submit(arn))
        except (SubmissionRefused, CredentialsRefused, NoRoom):
            self.forget(job.name)
            raise
        except Unreachable:  # it may have been submitted
            raise
        except BaseException:  # an interrupt: nobody waits for it, should AWS not list it yet
            self._submitting.discard(job.name)
            raise

    def _keep(self, job: Job) -> str:
        text = secret_text(job, SECRET_BYTES, "AWS Secrets Manager", without=KEYS)
        key = {"KmsKeyId": self.kms_key} if self.kms_key else {}
        tags = [{"Key": TAG, "Value": "launch"}]
        # With the same token and content, AWS answers with the secret that is there: so an answer may get lost.
        token = hashlib.sha256(job.name.encode()).hexdigest()
        asked = {"Name": job.name, "SecretString": text, "ClientRequestToken": token, "Tags": tags, **key}
        return str(ask(lambda: self.secrets.create_secret(**asked))["ARN"])

    def none(self, name: str) -> None:
        """There is no job of that name: whoever was about to submit it was killed, or it ended so long ago that AWS has
        forgotten it. If this process has just submitted it, AWS may only not list it yet."""
        if name not in self._submitting:
            self.forget(name)

    def forget(self, name: str) -> None:
        """Deletes the variables of a job. Where there are none, AWS says nothing."""
        ask(lambda: self.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True))


def check_options(profile: "ComputeProfile", needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """Raises:
    ValueError: an option is unknown or missing, or nodes do not share what the profile has.
    """
    check_texts(profile, needed, (), allowed)
    cloud_jobs.nodes_of(profile)


def nodes_of(launch: Launch) -> int:
    """On which the program works: several only if its processes share the work."""
    return cloud_jobs.nodes_of(launch.profile) if launch.works_together else 1


def command(launch: Launch, secret: str, meet: tuple[str, ...] = ("ft_platform.programs.together",)) -> list[str]:
    """What a container runs.

    Args:
        secret: ARN of the variables.
        meet: module, and its first arguments, that starts the processes of a node where there are several nodes.
    """
    python = str(launch.profile.options.get("python", "python"))
    begin = [python, "-m", "ft_platform.programs.with_secret", secret]
    if not launch.works_together:
        return [*begin, launch.module]
    nodes = nodes_of(launch)
    each = [f"--nproc-per-node={launch.profile.processes // nodes}", "--module", launch.module]
    return [*begin, *([*meet] if nodes > 1 else ["ft_platform.programs.together", "--standalone"]), *each]


def sizes(launch: Launch) -> tuple[int | None, int | None]:
    """vCPUs and MiB of a node; None: as the definition says."""
    limits, options = launch.resources, launch.profile.options
    memory = options.get("memory_gib") or (None if limits.gpus else limits.memory_gib)  # of a GPU it is the GPU's
    vcpus = options.get("vcpus") or (math.ceil(limits.threads / nodes_of(launch)) if limits.threads else None)
    return (int(vcpus) if vcpus else None), (math.ceil(float(memory) * 1024) if memory else None)


def seconds_limit(launch: Launch) -> int:
    """After which the service ends the program, whether or not somebody watches."""
    return math.ceil(launch.resources.timeout_seconds + launch.resources.grace_seconds)


def tags(launch: Launch) -> dict[str, str]:
    return {TAG: "launch", f"{TAG}:use-case": launch.use_case.name, f"{TAG}:program": launch.program}


def words(listed: Any) -> list[str]:
    """Of an option that is a list with commas."""
    return [one.strip() for one in str(listed or "").split(",") if one.strip()]


def exit_code_of(code: int | None) -> int:
    """Minus the signal that ended a container, if one did; 1: it has no exit code."""
    return 1 if code is None else 128 - code if 128 < code < 193 else code


def container_end(reason: str, code: int | None, seconds: float) -> Look:
    """How a container ended that nobody told to."""
    cause = "program" if code is not None else "refused"
    if LOST.search(reason) or (PULL.search(reason) and PASSING_PULL.search(reason)):
        cause = "machine_lost"
    elif "OutOfMemory" in reason:
        cause = "out_of_memory"
    return Look("ended", cause, exit_code_of(code), reason, seconds)


def ask(call: Callable[[], T]) -> T:
    """Its answer.

    Raises:
        Unreachable, CredentialsRefused: AWS does not answer now, or does not know who asks.
        NoRoom: it has no room for the job now.
        SubmissionRefused: it answers that it will not.
    """
    from botocore import exceptions as failures

    unknown = (failures.NoCredentialsError, failures.PartialCredentialsError, failures.CredentialRetrievalError)
    tokens = (failures.SSOError, failures.TokenRetrievalError)
    try:
        return call()
    except failures.ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        # What is said of a wrong signature quotes the headers that were signed, with the session's token.
        words = "" if "Signature" in code else str(error.response["Error"].get("Message", ""))
        said = f"{error.operation_name}: {code} {words}".strip()
        if NOT_KNOWN.search(code):
            raise CredentialsRefused(said) from None
        quota = QUOTA.search(words)
        if FULL.search(words) or (quota and int(quota[2]) <= int(quota[1])):
            raise NoRoom(words) from None
        if status >= 500 or PASSES.search(code) or "scheduled for deletion" in said:
            raise Unreachable(said) from None
    except (*unknown, *tokens) as error:
        raise CredentialsRefused(type(error).__name__) from None
    except (failures.ConnectionError, failures.HTTPClientError) as error:
        raise Unreachable(type(error).__name__) from None
    except failures.BotoCoreError as error:  # what was asked does not fit, or no region is named
        said = type(error).__name__ + (f": {error}" if isinstance(error, failures.ParamValidationError) else "")
    raise SubmissionRefused(
        f"AWS refuses {said}", "Compare the `options` of the compute profile with names and region of your account"
    )

"""Hugging Face Inference Endpoints: merged weights in a private repository for each release, vLLM in front of them.

One endpoint of the use case has the traffic; its address stays. A release is tried at an endpoint of its own, which is
deleted once the first one serves the same revision: Hugging Face replaces its machines one after the other.
Repositories stay until `delete`, so a roll back is a switch. Every name follows from use case and release: what a
killed process left is found again.

Covered: no endpoint is left by a deployment that failed; what has traffic is what the server itself lists, not what the
endpoint was told. Not covered: a process that is killed leaves the endpoint it had just made until the next `deploy`
or `delete`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from ft_platform.errors import EndpointFailed, EndpointUnavailable, ExportRefused, MissingExtra
from ft_platform.serving.exporting.matrix import problem
from ft_platform.serving.targets.asking import key_of, served_models
from ft_platform.serving.targets.contract import Endpoint, Model, State, Status, model_name
from ft_platform.serving.targets.patience import cleared, fitting, tried, until, without
from ft_platform.use_case.settings.serving_targets import HfEndpointTarget

T = TypeVar("T")
LONGEST_NAME = 32
"""Of an endpoint. Repositories may have 96 signs."""
PASSES = frozenset({408, 429, 500, 502, 503, 504})
STEPS = {401: "Check the token", 402: "Check the billing there", 403: "Check permissions of the token and quota"}
SECONDS, GONE_SECONDS = 120.0, 600.0
CONTEXT = "context-"
"""Begin of a tag of the repository; the other one is the release."""
USE_CASE, RELEASE = "FT_USE_CASE", "FT_RELEASE"
"""Variables of the container that say whose an endpoint is."""
STATES: dict[str, State] = {
    "pending": "starting",
    "initializing": "starting",
    "updating": "ready",
    "running": "ready",
    "updateFailed": "failed",
    "failed": "failed",
    "paused": "paused",
    "scaledToZero": "paused",
}
RUNS = frozenset({"pending", "initializing", "updating", "running", "updateFailed"})
"""States in which machines are paid for."""


@dataclass(frozen=True)
class Uploaded:
    """Weights at Hugging Face.

    Attributes:
        revision: their commit.
        context: longest prompt with its answer, in tokens.
    """

    revision: str
    context: int


class HfEndpoint:
    """The endpoints of one use case.

    Raises:
        ConfigError: the variable of the token is not set.
        MissingExtra: huggingface-hub is not installed.
    """

    def __init__(self, settings: HfEndpointTarget, use_case: str) -> None:
        try:
            from huggingface_hub import HfApi
        except ImportError:
            raise MissingExtra("huggingface_hub", "train") from None
        self.settings, self.use_case = settings, use_case
        self._token = key_of(settings.token_env)
        self._api = HfApi(token=self._token)
        self._live = fitting(f"ft-{use_case}", LONGEST_NAME)

    def deploy(self, model: Model) -> None:
        if why := problem(model.kind, "merged", "vllm"):
            raise ExportRefused(why)
        name, before = self._trial(model.release), self._uploaded(model.release)

        def clear() -> None:
            self._delete(name)
            if before is None:
                self._delete_repository(model.release)

        with cleared(clear):
            if _release(self._get(self._live)) == model.release:
                return
            there = before or self._upload(model)
            found = self._get(name)
            if found and (found.status == "failed" or found.revision != there.revision):
                self._delete(name)
                found = None
            if found is None:
                self._create(name, model.release, there)

    def wait(self, model: Model, seconds: float, on_wait: Callable[[str], None]) -> Endpoint:
        trial = self._trial(model.release)
        with cleared(lambda: self._delete(trial)):
            live = _release(self._get(self._live)) == model.release
            name = self._live if live else trial
            return until(lambda: self._answers(name, model.release), seconds, on_wait)

    def switch(self, release: str) -> None:
        there, live = self._uploaded(release), self._get(self._live)
        if there is None:
            raise EndpointFailed(f"{release} is not at Hugging Face", f"Run: ft deploy {self.use_case}")
        before = (self._served(live) or _release(live)) if live else None
        with cleared(lambda: self._back(before)):
            if live is None:
                self._create(self._live, release, there)
            elif _release(live) != release or live.status == "updateFailed":
                self._update(release, there)
            until(lambda: self._answers(self._live, release), self.settings.switch_minutes * 60)
        self._delete(self._trial(release))

    def delete(self, release: str) -> None:
        if _release(self._get(self._live)) == release:
            self._delete(self._live)
        self._delete(self._trial(release))
        self._delete_repository(release)

    def status(self) -> Status:
        live = self._get(self._live)
        served = self._served(live) if live else None
        there = {*self._releases(), *(_release(one) for one in self._listed())} - {served, None}
        others = tuple(sorted(one for one in there if one))
        if live is None:
            return Status("absent", others=others)
        raw, state = live.raw["status"], STATES.get(live.status, "failed")
        if served is None and state == "ready":
            state = "starting"
        endpoint = Endpoint(str(live.url), self.use_case, self._token) if live.url and served else None
        return Status(state, served, others, raw.get("readyReplica"), self._without(raw.get("message") or ""), endpoint)

    def cost_per_day(self) -> float | None:
        each = self.settings.cost_per_hour
        replicas = [one.raw["status"].get("targetReplica") for one in self._listed() if one.status in RUNS]
        if each is None or None in replicas:
            return None
        return each * 24 * sum(replicas)

    def _trial(self, release: str) -> str:
        return fitting(f"ft-{self.use_case}-{release}", LONGEST_NAME)

    def _repository(self, release: str) -> str:
        return f"{self.settings.namespace}/ft-{model_name(self.use_case, release)}"

    def _upload(self, model: Model) -> Uploaded:
        """Puts the weights there; files that are there already are not sent again. Its two tags come last."""
        repository, folder = self._repository(model.release), model.exported("merged")
        self._asked(lambda: self._api.create_repo(repository, private=True, exist_ok=True))
        oid = self._asked(lambda: self._api.upload_folder(repo_id=repository, folder_path=folder)).oid
        for tag in (f"{CONTEXT}{model.context_tokens}", model.release):
            self._asked(lambda tag=tag: self._api.create_tag(repository, tag=tag, revision=oid, exist_ok=True))
        return Uploaded(oid, model.context_tokens)

    def _uploaded(self, release: str) -> Uploaded | None:
        """What is in the repository of a release; None: it is not there, or not whole."""
        refs = self._asked(lambda: self._api.list_repo_refs(self._repository(release)), absent=None)
        tags = {one.name: one.target_commit for one in refs.tags} if refs else {}
        context = next((name.removeprefix(CONTEXT) for name in tags if name.startswith(CONTEXT)), None)
        return Uploaded(tags[release], int(context)) if release in tags and context else None

    def _releases(self) -> list[str]:
        """Releases of this use case whose weights are there."""
        prefix = self._repository("")
        named = self._asked(lambda: [one.id for one in self._api.list_models(author=self.settings.namespace)])
        found = []
        for repository in (one for one in named if one.startswith(prefix)):
            refs = self._asked(lambda one=repository: self._api.list_repo_refs(one), absent=None)
            found += [one.name for one in (refs.tags if refs else ()) if self._repository(one.name) == repository]
        return found

    def _spec(self, release: str, there: Uploaded) -> dict[str, Any]:
        settings = self.settings
        return {
            "repository": self._repository(release),
            "revision": there.revision,
            "framework": "custom",
            "task": "text-generation",
            "accelerator": settings.accelerator,
            "instance_type": settings.instance_type,
            "instance_size": settings.instance_size,
            "min_replica": settings.min_replicas,
            "max_replica": settings.max_replicas,
            "scale_to_zero_timeout": settings.idle_minutes if settings.min_replicas == 0 else None,
            "custom_image": {"url": settings.image, "health_route": "/health", "port": 8000},
            "container_args": [
                *("--model", "/repository", "--max-model-len", str(there.context)),
                *("--served-model-name", self.use_case, model_name(self.use_case, release), *settings.arguments),
            ],
            "env": {USE_CASE: self.use_case, RELEASE: release},
            "namespace": settings.namespace,
        }

    def _create(self, name: str, release: str, there: Uploaded) -> None:
        """Makes an endpoint. One that a try with a lost answer has made is found by its name."""
        place: dict[str, Any] = {
            "vendor": self.settings.vendor,
            "region": self.settings.region,
            "type": "authenticated",
        }
        spec = self._spec(release, there)
        self._asked(lambda: self._api.create_inference_endpoint(name, **spec, **place), conflict=None)

    def _update(self, release: str, there: Uploaded) -> None:
        spec = self._spec(release, there)
        self._asked(lambda: self._api.update_inference_endpoint(self._live, **spec))

    def _back(self, release: str | None) -> None:
        """After a switch that failed: the endpoint is told again what it served; one that is new goes."""
        there = self._uploaded(release) if release else None
        if release is None:
            self._delete(self._live)
        elif there:
            self._update(release, there)

    def _answers(self, name: str, release: str) -> Endpoint | str:
        """Where it answers with that release, or what is waited for.

        Raises:
            EndpointFailed: it failed.
        """
        found = self._get(name)
        if found is None:
            return f"{name} is not listed yet"
        status = found.status
        if status in ("failed", "updateFailed"):
            why = self._without(found.raw["status"].get("message") or "no reason is given")
            raise EndpointFailed(f"the endpoint {name} failed: {why}", "Read its log at Hugging Face")
        if status in ("paused", "scaledToZero"):
            self._asked(lambda: self._api.resume_inference_endpoint(name, namespace=self.settings.namespace))
            return f"{name} is started again"
        if status != "running" or model_name(self.use_case, release) not in self._names(found):
            return f"{name} is {status}"
        return Endpoint(str(found.url), model_name(self.use_case, release), self._token)

    def _served(self, found: Any) -> str | None:
        """The release that the machines behind an endpoint list. One that is scaled to zero is not woken up."""
        if found.status in ("paused", "scaledToZero"):
            return _release(found)
        names = self._names(found)
        known = {_release(found), *self._releases()} if names else set()
        return next((one for one in known if one and model_name(self.use_case, one) in names), None)

    def _names(self, found: Any) -> set[str]:
        """Of models that the machines behind an endpoint list; none where they do not answer."""
        if not found.url or found.status not in ("running", "updating", "updateFailed"):
            return set()
        try:
            return {str(one.get("id")) for one in served_models(str(found.url), self._token)}
        except EndpointFailed:
            return set()

    def _get(self, name: str) -> Any:
        """An endpoint, or None where there is none.

        Raises:
            EndpointFailed: somebody else made it.
        """
        namespace = self.settings.namespace
        found = self._asked(lambda: self._api.get_inference_endpoint(name, namespace=namespace), absent=None)
        if found and found.raw["model"].get("env", {}).get(USE_CASE) != self.use_case:
            raise EndpointFailed(f"the endpoint {namespace}/{name} was not made by the platform", "Rename it")
        return found

    def _listed(self) -> list[Any]:
        """All endpoints of this use case, whoever made them."""
        found = self._asked(lambda: self._api.list_inference_endpoints(self.settings.namespace))
        return [one for one in found if one.raw["model"].get("env", {}).get(USE_CASE) == self.use_case]

    def _delete(self, name: str) -> None:
        """Takes an endpoint away and waits until it is gone. Asked for even if it is not shown: it may be new."""
        namespace = self.settings.namespace
        self._get(name)
        self._asked(lambda: self._api.delete_inference_endpoint(name, namespace=namespace), absent=None)
        until(lambda: f"{name} is still there" if self._get(name) else None, GONE_SECONDS)

    def _delete_repository(self, release: str) -> None:
        self._asked(lambda: self._api.delete_repo(self._repository(release), missing_ok=True))

    def _asked(self, call: Callable[[], T], **given: Any) -> T | Any:
        """What Hugging Face answers.

        Args:
            given: `absent` is given back where the thing does not exist, `conflict` where it exists already.

        Raises:
            EndpointFailed: it refuses, e.g. for want of quota.
            EndpointUnavailable: it is too busy or cannot be reached.
        """
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
        from huggingface_hub.utils import get_session

        get_session().timeout = SECONDS  # without one, a server that hangs would be waited for without end
        try:
            return tried(call, lambda error: _status(error) in PASSES)
        except OfflineModeIsEnabled:
            raise EndpointFailed("HF_HUB_OFFLINE is set, so Hugging Face is not asked", "Unset it") from None
        except (httpx2.HTTPError, OSError, RuntimeError, ValueError, KeyError) as error:
            status, cause = _status(error), error.__cause__ if isinstance(error, RuntimeError) else error
            for name, meant in (("absent", 404), ("conflict", 409)):
                if status == meant and name in given:
                    return given[name]
            said = str(getattr(cause, "server_message", None) or cause) if isinstance(cause, HfHubHTTPError) else ""
            words = f"status {status} ({self._without(said)})" if said else type(cause or error).__name__
            kind = EndpointUnavailable if status in PASSES else EndpointFailed
            raise kind(f"Hugging Face answers with {words}", STEPS.get(status, "Look there, or try again")) from None

    def _without(self, words: str) -> str:
        return without(words, [self._token])


def _release(found: Any) -> str | None:
    """The release that an endpoint was last told to serve."""
    return found.raw["model"].get("env", {}).get(RELEASE) if found else None


def _status(error: BaseException | None) -> int:
    """HTTP status of an error, of what caused it, or 503 where no answer came."""
    if isinstance(error, RuntimeError):
        return _status(error.__cause__)
    response = getattr(error, "response", None)
    if response is not None:
        return response.status_code
    return 503 if isinstance(error, httpx2.TransportError | OSError) else 0


target = HfEndpoint

"""A server with OpenAI's API that others run and put models on: the model is compared with the evaluation, and noted as
the one that has the traffic. Sending the traffic there is theirs."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from ft_platform.errors import EndpointFailed, EndpointUnavailable, ExportRefused
from ft_platform.models.endpoint import require_allowed_endpoint
from ft_platform.serving.live import Live, change_live, read_live
from ft_platform.serving.targets.asking import key_of, served_models
from ft_platform.serving.targets.contract import Endpoint, Model, Status
from ft_platform.serving.targets.patience import cleared
from ft_platform.use_case.settings.serving_targets import OpenAIEndpointTarget

POLL_SECONDS = 1.0


class OpenAIEndpoint:
    """`targets.contract.Target`.

    Args:
        home: folder of the installation, where it is noted which release has the traffic.
        name: of the target in the YAML.

    Raises:
        ConfigError: the installation does not allow its address, or the variable of the key is not set.
    """

    def __init__(self, settings: OpenAIEndpointTarget, home: Path, use_case: str, name: str) -> None:
        require_allowed_endpoint(settings.url)
        self._settings, self._key = settings, key_of(settings.api_key_env)
        self._of = home, use_case, f"target-{name}"

    def deploy(self, model: Model) -> None:
        if model.kind == "label_head":
            raise ExportRefused(
                "OpenAI's API has no place for a label head, which scores labels and writes nothing",
                "Deploy it to a target of kind local, or train with training.objective: sft",
            )
        self._change(lambda live: dataclasses.replace(live, candidate=model.release))

    def wait(self, model: Model, seconds: float, on_wait: Callable[[str], None]) -> Endpoint:
        with cleared(lambda: self._change(lambda live: dataclasses.replace(live, candidate=None))):
            return self._found(model, seconds, on_wait)

    def _found(self, model: Model, seconds: float, on_wait: Callable[[str], None]) -> Endpoint:
        name = self._name(model.release)
        end = time.monotonic() + seconds
        while True:
            try:
                there = self._names()
                if name in there:
                    return Endpoint(self._settings.url, name, self._key)
                why = f"does not serve {name}; it serves {', '.join(sorted(there)[:5]) or 'nothing'}"
            except EndpointUnavailable as error:
                why = error.message
            if time.monotonic() > end:
                raise EndpointFailed(
                    f"{self._settings.url} {why}",
                    f"Put the model there (ft export {model.use_case} --as adapter), and deploy again",
                )
            on_wait(f"{self._settings.url} {why}")
            time.sleep(POLL_SECONDS)

    def switch(self, release: str) -> None:
        if self._name(release) not in self._names():
            raise EndpointFailed(f"{self._settings.url} does not serve {self._name(release)} any more")
        self._change(lambda live: live.with_traffic(release))

    def delete(self, release: str) -> None:
        self._change(lambda live: live.without(release))

    def status(self) -> Status:
        live = read_live(*self._of) or Live()
        try:
            there = self._names()
        except EndpointUnavailable as error:
            return Status("failed" if live.releases else "absent", message=error.message)
        found = [one for one in (*live.releases, *filter(None, [live.candidate])) if self._name(one) in there]
        now = live.releases[0] if live.releases else None
        others = tuple(one for one in found if one != now)
        if now is None:
            return Status("absent", others=others)
        if now in found:
            return Status("ready", now, others, endpoint=Endpoint(self._settings.url, self._name(now), self._key))
        return Status("absent", others=others, message=f"{self._name(now)} is not there any more")

    def cost_per_day(self) -> float | None:
        return None if self._settings.cost_per_hour is None else 24 * self._settings.cost_per_hour

    def _name(self, release: str) -> str:
        return self._settings.model.replace("{release}", release)

    def _names(self) -> set[str]:
        return {str(one.get("id")) for one in served_models(self._settings.url, self._key)}

    def _change(self, change: Callable[[Live], Live]) -> None:
        home, use_case, place = self._of
        change_live(home, use_case, change, place)

"""A vLLM that runs: a release is a LoRA adapter loaded into it, at a path that ends in `<use case>/<release>`.

Each release has a name of its own (`Model.name`). Clients ask for the name of the use case, which is one more adapter
of that server: loaded from the path of the release with traffic. `/v1/models` tells the path of each, so what has
traffic is never remembered, but read. An adapter is gone when vLLM starts again: deploy once more.

Covered: answers that vLLM would begin with states of the release before (its issue 42125): in 0.32 the path is part of
what it finds them by, and an older one is refused. A folder is removed some time after its name: vLLM 0.32 stops
altogether when it reads an adapter that is gone, and it reads one that was loaded in place at every token. Not covered:
an answer under way during a switch `in_place`, which goes on with the new adapter, or is longer than `DRAIN_SECONDS`;
several servers behind one address."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ft_platform.errors import EndpointFailed, ExportRefused, VersionRefused
from ft_platform.models.endpoint import require_allowed_endpoint
from ft_platform.serving.exporting.matrix import TOLD, problem
from ft_platform.serving.targets import folders
from ft_platform.serving.targets.asking import answer, key_of, served_models, words
from ft_platform.serving.targets.contract import Endpoint, Model, Status, model_name
from ft_platform.serving.targets.patience import cleared
from ft_platform.use_case.settings.serving_targets import VllmTarget

OLDEST = (0, 32)
DRAIN_SECONDS = 60.0
"""For answers under way, whose adapter vLLM may still read."""
TEMPLATE = "chat_template.jinja"


class Vllm:
    """The adapters of one use case in one vLLM.

    Raises:
        ConfigError: the installation does not allow its address, or the variable of the key is not set.
    """

    def __init__(self, settings: VllmTarget, use_case: str) -> None:
        require_allowed_endpoint(settings.url)
        self.settings, self.use_case, self.url = settings, use_case, settings.url.rstrip("/")
        self._here = Path(settings.folder) / use_case
        self._there = f"{(settings.folder_there or str(Path(settings.folder).absolute())).rstrip('/')}/{use_case}/"
        self._key = key_of(settings.api_key_env)

    def deploy(self, model: Model) -> None:
        if why := problem(model.kind, "adapter", "vllm"):
            raise ExportRefused(why)
        with cleared(lambda: self._remove_unused(model.release)):
            folders.put(model.exported("adapter"), self._here / model.release)
            if self._loaded().get(model.name) != model.release:
                self._load(model.name, model.release)

    def wait(self, model: Model, seconds: float, on_wait: Callable[[str], None]) -> Endpoint:
        """vLLM answers as soon as an adapter is listed: it is in memory by then."""
        with cleared(lambda: self._remove_unused(model.release)):
            if self._loaded().get(model.name) != model.release:
                raise EndpointFailed(f"{self.url} does not list {model.name}", "Deploy again")
        return self._endpoint(model.name, model.release)

    def switch(self, release: str) -> None:
        known = self._loaded()
        if known.get(model_name(self.use_case, release)) != release:
            raise EndpointFailed(f"{release} is not loaded at {self.url}", f"Run: ft deploy {self.use_case}")
        if known.get(self.use_case) == release:
            return
        self._require_version()
        in_place = self.use_case in known and self.settings.switch_by == "in_place"
        if not in_place:
            self._unload(self.use_case)
        self._load(self.use_case, release, in_place)

    def delete(self, release: str) -> None:
        if self._loaded().get(self.use_case) == release:
            self._unload(self.use_case)
        self._remove(release)

    def status(self) -> Status:
        known = self._loaded()
        live = known.pop(self.use_case, None)
        others = tuple(sorted(set(known.values()) - {live}))
        if live is None:
            return Status("absent", others=others)
        return Status("ready", live, others, endpoint=self._endpoint(self.use_case, live))

    def cost_per_day(self) -> float | None:
        """Of the server, whatever else it serves."""
        each = self.settings.cost_per_hour
        return None if each is None else each * 24

    def _endpoint(self, name: str, release: str) -> Endpoint:
        return Endpoint(self.url, name, self._key, extra=self._extra(release))

    def _extra(self, release: str) -> dict[str, Any]:
        if self.settings.chat_template == "server":
            return {}
        folder = self._here / release
        try:
            told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
            template = (folder / TEMPLATE).read_text(encoding="utf-8")
            return {"chat_template": template, "stop_token_ids": [told["end_of_turn"]["id"]]}
        except (OSError, ValueError, KeyError, TypeError):
            raise VersionRefused(f"{folder} holds no exported adapter", f"Run: ft deploy {self.use_case}") from None

    def _loaded(self) -> dict[str, str]:
        """Name of an adapter of this use case -> its release."""
        found = {one.get("id"): str(one.get("root")) for one in served_models(self.url, self._key)}
        ours = {
            str(name): root.removeprefix(self._there) for name, root in found.items() if root.startswith(self._there)
        }
        if self.use_case in found and self.use_case not in ours:
            raise EndpointFailed(
                f"the name {self.use_case} at {self.url} belongs to a model that is not in {self._there}",
                "Correct folder_there, or give that model another name",
            )
        return ours

    def _load(self, name: str, release: str, in_place: bool = False) -> None:
        body: dict[str, Any] = {"lora_name": name, "lora_path": self._there + release}
        found = self._post("/v1/load_lora_adapter", {**body, "load_inplace": in_place})
        if self._loaded().get(name) != release:  # a try whose answer was lost may have loaded it
            raise EndpointFailed(
                f"{self.url} does not load {name}: {found}",
                "Start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, see --max-lora-rank, and check"
                " that its machine sees folder_there",
            )

    def _unload(self, name: str) -> None:
        if name not in self._loaded():
            return
        found = self._post("/v1/unload_lora_adapter", {"lora_name": name})
        if name in self._loaded():
            raise EndpointFailed(f"{self.url} does not unload {name}: {found}", "Unload it there")

    def _remove(self, release: str) -> None:
        self._unload(model_name(self.use_case, release))
        if (self._here / release).exists():
            time.sleep(DRAIN_SECONDS)
            folders.remove(self._here / release)

    def _remove_unused(self, release: str) -> None:
        """Unless it has traffic."""
        if self._loaded().get(self.use_case) != release:
            self._remove(release)

    def _post(self, path: str, body: dict[str, Any]) -> str:
        return words(answer("POST", self.url + path, self._key, body), self._key)

    def _require_version(self) -> None:
        found = answer("GET", f"{self.url}/version", self._key)
        said = re.search(rb'"version":\s*"(\d+)\.(\d+)', found.content)
        if not said or (int(said[1]), int(said[2])) < OLDEST:
            raise EndpointFailed(
                f"the vLLM at {self.url} is older than {'.'.join(map(str, OLDEST))}: after a switch it could begin"
                " answers with states of the release before",
                "Use a newer one",
            )


target = Vllm

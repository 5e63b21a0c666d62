"""A vLLM that loads adapters, as 0.32 does it (`vllm/entrypoints/openai/models/serving.py`)."""

from pathlib import Path

from ft_platform_tests.serving.targets.stand_in import Reply, Request, StandIn

KEY = "vllm-key-5b1f"
THERE = "/mnt/adapters"


class VllmServer(StandIn):
    """Its machine sees `here` as `THERE`."""

    STATE = ("adapters",)

    def __init__(self, here: Path) -> None:
        self.here, self.version = here, "0.32.0"
        self.adapters: dict[str, str] = {}
        super().__init__()

    def paid(self) -> list[str]:
        return sorted(self.adapters)

    def handle(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return Reply(401, {"error": "Unauthorized"})
        if request.path == "/version":
            return Reply(body={"version": self.version})
        if request.path == "/v1/models":
            cards = [{"id": "base", "object": "model", "root": "/models/base", "parent": None}]
            cards += [{"id": n, "object": "model", "root": p, "parent": "base"} for n, p in self.adapters.items()]
            return Reply(body={"object": "list", "data": cards})
        if request.path == "/v1/load_lora_adapter":
            return self._load(request.body)
        if request.path == "/v1/unload_lora_adapter":
            name = request.body["lora_name"]
            if name not in self.adapters:
                return _error(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
            del self.adapters[name]
            return Reply(body=b"Success")
        if request.path == "/v1/chat/completions":
            name = request.body["model"]
            if name not in self.adapters:
                return _error(404, f"The model `{name}` does not exist.", "NotFoundError")
            return self.answer(Path(self.adapters[name]).name, request.body)
        return Reply(404, {"detail": "Not Found"})

    def _load(self, body: dict) -> Reply:
        name, path = body["lora_name"], body["lora_path"]
        if name == "base":
            return _error(400, f"The lora adapter '{name}' conflicts with a served base model.")
        if name in self.adapters and not body.get("load_inplace", False):
            return _error(400, f"The lora adapter '{name}' has already been loaded.")
        folder = self.here / path.removeprefix(f"{THERE}/")
        if not path.startswith(THERE) or not (folder / "adapter_config.json").is_file():
            return _error(404, f"No adapter found for '{path}'", "NotFoundError")
        if folder.name in self.broken:
            return _error(500, "LoRA rank 64 is greater than max_lora_rank 16.", "InternalServerError")
        self.adapters[name] = path
        return Reply(body=b"Success")


def _error(status: int, message: str, kind: str = "InvalidUserInput") -> Reply:
    return Reply(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})

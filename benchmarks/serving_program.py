"""Our server with given adapters in place of releases: `python benchmarks/serving_program.py FOLDER PORT [SPOOL]`.

Everything behind the catalog is that of `ft serve`: engine, application, guard, sockets. `a0` to `a15` write answers,
`head` has a label head, `written` writes labels, and `base` is the base model, which `ft serve` does not offer.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
BASE = "base/ckpt-1"
"""`ServedModel.weights` of the base model."""


def server(folder: Path, port: int, spool: Path | None = None) -> Any:
    """Listens; `serve` answers. Requests are noted in the spool, if there is one."""
    from ft_platform.models import base_model
    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.monitoring.traffic.spool import Spool
    from ft_platform.serving.api.app import build_app
    from ft_platform.serving.api.server import ApiServer
    from ft_platform.serving.api_keys import ApiKeys
    from ft_platform.serving.catalog import GivenModels, Kind, ServedModel
    from ft_platform.serving.engine.requests import Adapter
    from ft_platform.serving.engine.worker import Engine
    from ft_platform.training.threads import pin_threads
    from ft_platform.use_case.schema import UseCase
    from ft_platform.use_case.settings.base_model import BaseModelSettings
    from ft_platform_tests.conftest import minimal_attributes

    class EngineWithBase(Engine):
        """Takes the base model for a model of the catalog."""

        def load(self, adapter: Adapter) -> None:
            if adapter.name != BASE:
                super().load(adapter)

    pin_threads()
    told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    base = base_model.resolve(BaseModelSettings(uri=told["uri"]), folder / "cache")
    model, tokenizer = base_model.load(base, "bfloat16")
    open_task = {"kind": "generation"}
    label_task = {"kind": "classification", "instruction": told["instruction"]}
    kinds: dict[str, Kind] = {"head": "label_head", "written": "written_label"}

    def served(name: str) -> ServedModel:
        labels = tuple(told["labels"]) if name in kinds else ()
        attributes = minimal_attributes("file:///none.csv") | {"task": label_task if labels else open_task}
        if not labels:
            attributes |= {"splits": {}, "fairness": {}}
            attributes["record"] = {"id": "id", "text": "text", "answer": "answer", "consent": "consent"}
        settings = UseCase.model_validate(attributes)
        renderer = Renderer(tokenizer, settings.task, labels)
        kind = kinds.get(name, "open_answer")
        place = folder / "adapters" / name
        return ServedModel(name, "release-1", "ckpt-1", settings, renderer, kind, labels, 2048, place)

    plain = Renderer(tokenizer, UseCase.model_validate(minimal_attributes("file:///none.csv")).task)
    engine = EngineWithBase(model, plain.text, end_of_turn=plain.end_of_turn, name=BASE)
    names = ["base", *sorted(one.name for one in (folder / "adapters").iterdir())]
    notes = Spool(spool) if spool else None
    if notes:
        notes.start()
    app = build_app(engine, GivenModels([served(name) for name in names]), ApiKeys(None), notes)
    return ApiServer(app, "127.0.0.1", port)


if __name__ == "__main__":
    from ft_platform.serving.starting import without_collector

    with without_collector():
        made = server(Path(sys.argv[1]), int(sys.argv[2]), *map(Path, sys.argv[3:]))
    made.serve()

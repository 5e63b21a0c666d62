"""What runs on TensorFlow: `python -I keras_program.py REQUEST.json`. Needs tensorflow, keras_hub and safetensors, and
not the platform, so that TensorFlow may stand in an environment of its own (`FT_TENSORFLOW_PYTHON`)."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ |= {"KERAS_BACKEND": "tensorflow", "HF_HUB_OFFLINE": "1"}
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # pyright: ignore[reportMissingImports]
import keras_hub  # pyright: ignore[reportMissingImports]
import numpy as np
import tensorflow as tf

BATCH_TOKENS = 1024
INPUTS = ("token_ids", "padding_mask")
Logits = Callable[[dict[str, Any]], Any]


def convert(folder: str, out: str, task: str, epsilon: float, labels: int) -> dict[str, Any]:
    """Writes a transformers folder as a SavedModel.

    Args:
        task: name of KerasHub's class.
        epsilon: `rms_norm_eps`, which the converter of Llama drops (keras-hub 0.32).
        labels: of the label head in `lm_head.weight`; 0: there is none.
    """
    backbone = keras_hub.models.Backbone.from_preset(folder, dtype="float32", layer_norm_epsilon=epsilon)
    if labels:
        given = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
        scored = keras.layers.Dense(labels, use_bias=False, dtype="float32", name="label_head")
        model = keras.Model(given, scored(backbone(given)), name="label_scores")
        scored.kernel.assign(_tensor(Path(folder), "lm_head.weight").T)
    else:
        model = getattr(keras_hub.models, task)(backbone=backbone, preprocessor=None)
    _save_for_serving(model, labels, str(Path(out) / "model" / "1"))
    return {}


def _save_for_serving(model: Any, labels: int, out: str) -> None:
    """Signatures `serving_default`, the logits after each text, and `every_token`, those after each of its tokens."""
    backbone = None if labels else model.backbone

    def last(token_ids: Any, padding_mask: Any) -> dict[str, Any]:
        given = {"token_ids": token_ids, "padding_mask": padding_mask}
        ends = tf.reduce_sum(padding_mask, axis=1, keepdims=True) - 1
        hidden = tf.gather(model(given) if backbone is None else backbone(given), ends, axis=1, batch_dims=1)
        return {"logits": (hidden if backbone is None else backbone.token_embedding(hidden, reverse=True))[:, 0]}

    def every(token_ids: Any, padding_mask: Any) -> dict[str, Any]:
        return {"logits": model({"token_ids": token_ids, "padding_mask": padding_mask})}

    asked = [tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", last, input_signature=asked)
    archive.add_endpoint("every_token", every, input_signature=asked)
    archive.write_out(out, verbose=False)


def _tensor(folder: Path, name: str) -> Any:
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="np") as opened:
            if name in opened.keys():  # noqa: SIM118
                return opened.get_tensor(name)
    raise KeyError(name)


def answer(model: str, texts: str, out: str) -> dict[str, Any]:
    """Asks a model, read from disk.

    `texts` is an .npz: `ids` of all texts one after the other, `lengths`, and `starts`, the number of tokens of each
    that are the question. A text that is all question wants its last logits; of others
    the log-probability of every token behind the question is wanted, and which token was likeliest there.

    Writes `last.npy` (questions, outputs), `scores.npy` and `best.npy`, each in the order of the texts.
    """
    every, last = _loaded(model)
    given = np.load(texts)
    cut = np.split(given["ids"], np.cumsum(given["lengths"])[:-1])
    starts = given["starts"]
    lasts: dict[int, Any] = {}
    scores, best = [np.empty(0)] * len(cut), [np.empty(0, np.int64)] * len(cut)
    done = 0
    for rows in _batches(given["lengths"], starts):
        questions = starts[rows[0]] == len(cut[rows[0]])
        found = (last if questions else every)(_padded([cut[row] for row in rows]))
        for place, row in enumerate(rows):
            if questions:
                lasts[row] = found[place]
            else:
                where = slice(starts[row] - 1, len(cut[row]) - 1)
                behind = found[place][where].astype(np.float64)
                behind -= behind.max(axis=1, keepdims=True)
                behind -= np.log(np.exp(behind).sum(axis=1, keepdims=True))
                target = cut[row][starts[row] :]
                scores[row], best[row] = behind[np.arange(len(target)), target], behind.argmax(axis=1)
        done += len(rows)
        print(done, flush=True)
    np.save(Path(out) / "last.npy", np.stack([lasts[row] for row in sorted(lasts)]))
    np.save(Path(out) / "scores.npy", np.concatenate(scores))
    np.save(Path(out) / "best.npy", np.concatenate(best))
    return {}


def _loaded(path: str) -> tuple[Logits, Logits]:
    """Functions for the logits after each token `(texts, tokens, outputs)`, and after each text `(texts, outputs)`."""
    signatures = tf.saved_model.load(path).signatures
    every, last = signatures["every_token"], signatures["serving_default"]

    def asked(signature: Any) -> Logits:
        return lambda given: signature(**{name: tf.constant(given[name]) for name in INPUTS})["logits"].numpy()

    return asked(every), asked(last)


def _padded(texts: Sequence[Any]) -> dict[str, Any]:
    ids = np.zeros((len(texts), max(map(len, texts))), np.int32)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    return {"token_ids": ids, "padding_mask": mask}


def _batches(lengths: Any, starts: Any) -> Iterator[list[int]]:
    """Rows of texts of like length, questions apart from the others."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: (starts[row] < lengths[row], lengths[row])):
        other = batch and (starts[row] < lengths[row]) != (starts[batch[0]] < lengths[batch[0]])
        if batch and (other or (len(batch) + 1) * lengths[row] > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(row)
    yield batch


def versions() -> dict[str, Any]:
    """What computes."""
    return {"tensorflow": tf.__version__, "keras": keras.__version__, "keras-hub": keras_hub.__version__}


def main() -> None:
    """Does what the request says."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if asked["threads"]:
        tf.config.threading.set_intra_op_parallelism_threads(asked["threads"])
    tf.config.experimental.enable_tensor_float_32_execution(False)
    step = {"convert": convert, "answer": answer}[asked["step"]]
    told = step(**asked["arguments"])
    Path(asked["result"]).write_text(json.dumps({**told, "versions": versions()}), encoding="utf-8")


if __name__ == "__main__":
    main()

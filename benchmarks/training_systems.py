"""One training of `benchmarks/training.py`, in a process of its own: `python benchmarks/training_systems.py
<job.json>`.

A job names the system, the rows as token ids, and what must be equal. Prints one JSON line with what was measured.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IGNORED = -100
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
PARTS = {
    "linear": ("_SummedOnce", "_SummedOnceBackward"),
    "attention": ("_PackedAttention", "_PackedAttentionBackward"),
    "norm_activation": ("_RmsNorm", "_RmsNormBackward", "_Gated", "_GatedBackward"),
    "head_loss": ("_LinearCrossEntropy", "_LinearCrossEntropyBackward"),
    "optimizer": ("Optimizer.step#AdamW.step",),
}
"""Part of a step -> names of the profiler's events."""
OURS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours_compiled": {"compute": {"compile": True}},
    "ours_flash": {"compute": {"attention": "flash"}},
    "ours_liger": {"compute": {"liger": True}},
    "ours_qlora": {"quantization": "nf4"},
    "ours_full": {"training": {"method": "full", "learning_rate": 2e-5}},
    "ours_dpo": {"training": {"objective": "dpo", "learning_rate": 5e-6}},
    "ours_sharded": {"sharded": True},
}
"""System -> how it differs from a plain training of the platform: LoRA."""


def timed(work: Callable[[], Any]) -> dict[str, float]:
    import torch

    wall, cpu = time.monotonic(), time.process_time()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return {"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}


def labels_of(row: dict[str, Any]) -> list[int]:
    return [token if counts else IGNORED for token, counts in zip(row["ids"], row["supervised"], strict=True)]


def shared_arguments(job: dict[str, Any]) -> dict[str, Any]:
    """What must be equal, in the words of `TrainingArguments`; `TrainingArguments` and TRL both decay the rate linearly
    to 0 without warm-up by default."""
    import torch

    return {
        "output_dir": job["adapter"],
        "learning_rate": job["learning_rate"],
        "per_device_train_batch_size": job["batch_rows"],
        "num_train_epochs": 1,
        "seed": job["seed"],
        "use_cpu": (
            not torch.cuda.is_available()
        ),  # without it, the default of bfloat16 is refused on a machine without a GPU
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def trl(job: dict[str, Any], packing: bool) -> dict[str, float]:
    """TRL's SFTTrainer. With packing, as many packed rows a step as hold the tokens of a plain step."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    columns = [{"input_ids": row["ids"], "completion_mask": [int(s) for s in row["supervised"]]} for row in job["rows"]]
    arguments = shared_arguments(job)
    if packing:
        tokens = sum(len(row["ids"]) for row in job["rows"]) / len(job["rows"]) * job["batch_rows"]
        arguments |= {"packing": True, "per_device_train_batch_size": max(1, round(tokens / job["max_length"]))}
    if job["dtype"] == "float32":
        arguments |= {"bf16": False, "model_init_kwargs": {"dtype": "float32"}}
    config = SFTConfig(**arguments, max_length=job["max_length"], completion_only_loss=True)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    trainer = SFTTrainer(
        job["model"],
        args=config,
        train_dataset=Dataset.from_list(columns),
        processing_class=tokenizer,
        peft_config=LoraConfig(**LORA),
    )
    measured = timed(trainer.train)
    trainer.model.save_pretrained(job["adapter"])
    return {**measured, "steps": trainer.state.global_step}


def unsloth(job: dict[str, Any]) -> dict[str, float]:
    """Unsloth's model and adapter in the same `Trainer`; all else is its default."""
    from unsloth import FastLanguageModel  # pyright: ignore[reportMissingImports]  # before transformers

    model, _ = FastLanguageModel.from_pretrained(job["model"], max_seq_length=job["max_length"], load_in_4bit=False)
    layers = [f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")]
    shape = {name: LORA[name] for name in ("r", "lora_alpha", "lora_dropout")}
    adapted = FastLanguageModel.get_peft_model(model, target_modules=layers, random_state=job["seed"], **shape)
    return transformers_trainer(job, adapted)


def transformers_trainer(job: dict[str, Any], model: Any = None) -> dict[str, float]:
    """`Trainer` with a peft model, in the bfloat16 autocast that is TRL's default too, or in float32; nothing else is
    set."""
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(job["seed"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    if model is None:
        given = {} if job["dtype"] == "auto" else {"dtype": job["dtype"]}
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(job["model"], **given), LoraConfig(**LORA))
    columns = [
        {"input_ids": row["ids"], "attention_mask": [1] * len(row["ids"]), "labels": labels_of(row)}
        for row in job["rows"]
    ]
    arguments = TrainingArguments(**shared_arguments(job), bf16=job["dtype"] == "auto")
    trainer = Trainer(
        model,
        arguments,
        train_dataset=Dataset.from_list(columns),
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
    )
    measured = timed(trainer.train)
    model.save_pretrained(job["adapter"])
    return {**measured, "steps": trainer.state.global_step}


def ours(job: dict[str, Any]) -> dict[str, Any]:
    """`ft_platform.training.loop.train` as the program runs it, with the process settings of the program.

    A compiled one (`compute.compile`) trains twice from the same fresh adapter, and the second time is measured, when
    all is compiled.
    """
    import torch

    from ft_platform.programs.reporting import prepare_process
    from ft_platform.training.threads import pin_threads

    prepare_process()
    pin_threads()
    from ft_platform.training.loop import train
    from ft_platform.training.lora import trainable
    from ft_platform.use_case.settings.training import Training

    asked = OURS[job["system"]]
    compiled = asked.get("compute", {}).get("compile", False)
    settings = {
        "epochs": 1,
        "batch_rows": job["batch_rows"],
        "learning_rate": job["learning_rate"],
        "warmup_fraction": 0.0,
        "validations_per_epoch": 1,
        "seed": job["seed"],
    }
    training = Training(**{**settings, **asked.get("training", {})})
    model, objective, rows = prepared(job, asked, training)

    def trained() -> None:
        train(
            model, objective, rows, rows[:1], training
        )  # one validation row: the loss that counts is measured afterwards, for all systems alike

    fresh = {name: weight.detach().clone() for name, weight in trainable(model).items()} if compiled else {}
    first = timed(trained)
    measured = first
    if compiled:
        with torch.no_grad():
            for name, weight in trainable(model).items():
                weight.copy_(fresh[name])
        measured = timed(trained)
    measured["first_seconds"] = first["seconds"]
    peak = peak_gib()
    save(model, job["adapter"], divided=asked.get("sharded", False))
    profiled = job["profiled"] and job["system"] in ("ours", "ours_compiled") and not torch.cuda.is_available()
    where = where_time_goes(model, objective, rows[: job["batch_rows"]], training) if profiled else {}
    return {**measured, "steps": len(rows) / job["batch_rows"], "peak_gib": peak, **where}


def prepared(job: dict[str, Any], asked: dict[str, Any], training: Any) -> tuple[Any, Any, list[Any]]:
    """Model, objective and rows, as `ft_platform.training.prepare` makes them of a use case."""
    from ft_platform.models import base_model
    from ft_platform.models.kernels.acceleration import accelerated
    from ft_platform.models.rendering.renderer import Rendered
    from ft_platform.training.batches import split_off_prefix
    from ft_platform.training.lora import with_trainable_weights
    from ft_platform.training.objectives import AnswerLoss
    from ft_platform.training.precision import in_bfloat16
    from ft_platform.training.preferences import Pair, PreferenceLoss, with_reference
    from ft_platform.training.sharding import divide
    from ft_platform.use_case.schema import Compute

    sharded, folder, prefix = asked.get("sharded", False), Path(job["model"]), job["prefix"]
    if sharded:
        join_alone(job["adapter"])
    quantization = asked.get("quantization", "none")
    model, _ = base_model.load(base_model.ResolvedModel(folder, "", job["model"]), job["dtype"], quantization, sharded)
    computed_in = model.dtype
    model = with_trainable_weights(model, training, fused=not sharded)
    if sharded:
        divide(model, folder, computed_in)
    forward, batching = accelerated(model, Compute(**asked.get("compute", {})))
    if batching.startswith("padded"):
        raise SystemExit(batching)
    if model.dtype != computed_in:
        forward = in_bfloat16(forward)

    def rows_of(found: list[dict[str, Any]]) -> list[Any]:
        whole = [Rendered(row["ids"], row["supervised"], row["supervised"].index(True), False) for row in found]
        return split_off_prefix(whole, prefix)

    chosen = rows_of(job["rows"])
    if training.objective != "dpo":
        return model, AnswerLoss(forward, prefix), chosen
    rejected = rows_of([with_answer_of(row, job["rows"][n - 1]) for n, row in enumerate(job["rows"])])
    pairs = [Pair(one, other) for one, other in zip(chosen, rejected, strict=True)]
    pairs = with_reference(model, forward, prefix, pairs, training.micro_batch_tokens)
    return model, PreferenceLoss("dpo", training.beta, forward, prefix), pairs


def with_answer_of(row: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The question of a row with the answer of another one."""
    start, its = row["supervised"].index(True), other["supervised"].index(True)
    return {
        "ids": [*row["ids"][:start], *other["ids"][its:]],
        "supervised": [*row["supervised"][:start], *other["supervised"][its:]],
    }


def join_alone(name: str) -> None:
    """A group of one process, as torchrun makes it of several."""
    import torch
    import torch.distributed as dist

    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, init_method=f"file://{name}.group", rank=0, world_size=1)


def save(model: Any, folder: str, *, divided: bool) -> None:
    """Its adapter, or all of its weights."""
    from ft_platform.training.sharding import trained_parts

    parts: dict[str, Any] = trained_parts(model) if divided else {}
    weights = {name: tensor.detach().full_tensor().cpu() for name, tensor in parts.items()}
    model.save_pretrained(folder, **({"state_dict": weights} if divided else {}))


def where_time_goes(model: Any, objective: Any, rows: list[Any], training: Any) -> dict[str, Any]:
    """Share of each part in the time of an optimizer step, and its arithmetic against plain products of the same
    shapes."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from ft_platform.training.loop import batches_of
    from ft_platform.training.lora import trainable

    room = training.micro_batch_tokens - objective.shared_tokens
    micro = [[rows[n] for n in batch] for batch in batches_of([objective.length(row) for row in rows], room)]
    optimizer = torch.optim.AdamW(trainable(model).values(), lr=0.0)

    def step() -> None:
        for part in micro:
            objective.loss(model.train(), part).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    cpu = min(timed(step)["cpu_seconds"] for _ in range(3))
    with profile(activities=[ProfilerActivity.CPU]) as found:
        whole = timed(step)["seconds"]
    seconds = {event.key: event.cpu_time_total / 1e6 for event in found.key_averages()}
    shares = {part: round(sum(seconds.get(name, 0.0) for name in names) / whole, 3) for part, names in PARTS.items()}
    shares["rotary_residual_and_rest"] = round(1 - sum(shares.values()), 3)
    flops = sum(step_flops(model, objective, part) for part in micro)
    peak, precision = gemm_flops_per_cpu_second(model, training.micro_batch_tokens)
    peaks = {
        "gemm_peak_gflops_per_cpu_second": round(peak / 1e9),
        "gemm_peak_precision": precision,
        "share_of_gemm_peak": round(flops / cpu / peak, 3),
    }
    return {"time_shares": shares, **peaks}


def linear_shapes(model: Any) -> list[tuple[int, int]]:
    return [tuple(layer.base_layer.weight.shape) for layer in model.modules() if hasattr(layer, "lora_A")]


def step_flops(model: Any, objective: Any, rows: list[Any]) -> float:
    """Arithmetic that the step cannot do without: frozen layers forward and backward to their input, attention below
    the diagonal (two products forward, four backward), and the output layer where a token is supervised. Nothing that
    is computed twice counts twice."""
    prefix = objective.shared_tokens
    config = model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    tokens = prefix + sum(len(row.ids) for row in rows)
    pairs = prefix * (prefix + 1) / 2 + sum(n * prefix + n * (n + 1) / 2 for n in (len(row.ids) for row in rows))
    linear = 4 * tokens * sum(a * b for a, b in linear_shapes(model))
    attention = 6 * 2 * pairs * width * config.num_attention_heads * config.num_hidden_layers
    head = 4 * sum(len(row.targets) for row in rows) * config.hidden_size * config.vocab_size
    return linear + attention + head


def gemm_flops_per_cpu_second(model: Any, tokens: int) -> tuple[float, str]:
    """Forward and backward products of the model's own layer shapes, each the fastest of five, weighted as in the
    model.

    In bfloat16, or in float32 where that is faster (a processor without bfloat16 instructions). Returns the peak and
    the precision."""
    import torch

    shapes = linear_shapes(model)

    def best_seconds(dtype: torch.dtype, out: int, width: int, tokens: int, repeats: int) -> float:
        weight = torch.randn(out, width, dtype=dtype)
        x, gradient = (torch.randn(tokens, size, dtype=dtype) for size in (width, out))

        def products() -> None:
            for _ in range(repeats):
                x @ weight.T
                gradient @ weight

        products()
        return min(timed(products)["cpu_seconds"] for _ in range(repeats)) / repeats

    dtype = min(
        (torch.bfloat16, torch.float32), key=lambda dtype: best_seconds(dtype, *shapes[0], tokens=256, repeats=3)
    )
    flops = seconds = 0.0
    for out, width in sorted(set(shapes)):
        number = shapes.count((out, width))
        seconds += number * best_seconds(dtype, out, width, tokens, repeats=5)
        flops += number * 4 * tokens * out * width
    return flops / seconds, str(dtype).removeprefix("torch.")


def evaluate(job: dict[str, Any]) -> dict[str, Any]:
    """Mean loss per supervised token of each adapter: float32, rows alone, transformers' own loss."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    losses = {}
    for name, folder in job["adapters"].items():
        adapted = (Path(folder) / "adapter_config.json").is_file()
        base = AutoModelForCausalLM.from_pretrained(job["model"] if adapted else folder, dtype=torch.float32)
        model = (PeftModel.from_pretrained(base, folder) if adapted else base).to(device).eval()
        total = tokens = 0.0
        for row in job["rows"]:
            count = sum(row["supervised"])
            given = {"input_ids": row["ids"], "labels": labels_of(row)}
            with torch.no_grad():
                asked = {key: torch.tensor([value], device=device) for key, value in given.items()}
                total += float(model(**asked).loss) * count
            tokens += count
        losses[name] = total / tokens
    return {"losses": losses}


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def gpu_peak() -> dict[str, float]:
    """What torch held of the GPU at most, GiB; nothing without one."""
    import torch

    return {"gpu_peak_gib": torch.cuda.max_memory_allocated() / 2**30} if torch.cuda.is_available() else {}


SYSTEMS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "trl_default": lambda job: trl(job, packing=False),
    "trl_packing": lambda job: trl(job, packing=True),
    "transformers_trainer": transformers_trainer,
    "unsloth": unsloth,
    **dict.fromkeys(OURS, ours),
    "evaluate": evaluate,
}


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    os.environ["OMP_NUM_THREADS"] = os.environ["FT_THREADS"] = str(job["threads"])
    result = SYSTEMS[job["system"]](job)
    print(json.dumps({"peak_gib": peak_gib(), **gpu_peak(), **result}))


if __name__ == "__main__":
    main()

"""transformers 4.57, which other programs pin, loads a merged export as the platform does.

`scripts/install_clients.sh FOLDER` installs it into a folder of its own, `FT_TEST_CLIENTS` names the folder. It shares
torch with this environment."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ft_platform.serving.exporting import chat_template, export
from ft_platform_tests.exporting.exported import merging_tokenizer, trained
from ft_platform_tests.tiny_models import tiny_model

FOLDER = Path(os.environ.get("FT_TEST_CLIENTS", "/nowhere")) / "transformers-4"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.components(name="transformers_4"),
    pytest.mark.skipif(
        not FOLDER.is_dir(),
        reason="needs transformers 4: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER",
    ),
]
PROGRAM = """
import json, sys
import torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
chats = json.loads(sys.argv[2])
ids = [tokenizer.apply_chat_template(chat, add_generation_prompt=True) for chat in chats]
ids = [getattr(one, "input_ids", one) for one in ids]
with torch.inference_mode():
    logits = [model(torch.tensor([one])).logits[0, -1].tolist() for one in ids]
print(json.dumps({"version": transformers.__version__, "ids": ids, "logits": logits, "end": tokenizer.eos_token_id}))
"""
CHATS = [[{"role": "user", "content": text}] for text in ("Where is my parcel?" * 8, "My card <|im_end|> is gone.")]


def asked(folder: Path, python_path: str) -> dict[str, Any]:
    words = [sys.executable, "-c", PROGRAM, str(folder), json.dumps(CHATS)]
    variables = {**os.environ, "PYTHONPATH": python_path, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 100000.0},
        {
            "rope_type": "llama3",
            "rope_theta": 300000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    ],
    ids=["default", "llama3"],
)
def test_transformers_4_and_5_load_a_merged_export_alike(tmp_path, monkeypatch, rope):
    monkeypatch.setattr(export, "compare", partial(chat_template.compare, chats=60))
    sizes: dict[str, Any] = {"vocab_size": 264, "hidden_size": 64, "num_attention_heads": 4, "head_dim": 16}
    ids: dict[str, Any] = {"bos_token_id": 261, "eos_token_id": 260, "pad_token_id": 260}
    tiny_model(**sizes, **ids, rope_parameters=rope).save_pretrained(tmp_path / "base")
    merging_tokenizer().save_pretrained(tmp_path / "base")
    case = trained(tmp_path / "home", "generation", base={"uri": str(tmp_path / "base"), "dtype": "float32"})
    case.export("merged", "merged")
    four, five = (asked(case.place("merged"), place) for place in (str(FOLDER), ""))
    assert four["version"].startswith("4.") and five["version"].startswith("5.")
    assert four["ids"] == five["ids"] and four["end"] == five["end"]
    # Two orders of the same sums in float32 give about 1e-6; theta 10,000 in place of 100,000 gave 0.16 and more.
    for ours, theirs in zip(five["logits"], four["logits"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)

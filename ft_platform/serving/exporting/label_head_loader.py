"""Scores a text: python load.py BASE_MODEL_FOLDER "text". Needs torch, transformers and peft, nothing else."""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = Path(__file__).resolve().parent
TOLD = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=getattr(torch, TOLD["base_model"]["dtype"])).float()
weight = load_file(FOLDER / "label_head.safetensors")["weight"]
head = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
head.weight = torch.nn.Parameter(weight)
model.config.tie_word_embeddings = False
model.set_output_embeddings(head)
model = PeftModel.from_pretrained(model, FOLDER).eval()
messages = [{"role": "user", "content": sys.argv[2]}]
ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
with torch.inference_mode():
    scores = torch.log_softmax(model(**ids).logits[0, -1], dim=-1).tolist()
print(json.dumps(dict(zip(TOLD["labels"], scores, strict=True)), ensure_ascii=False))

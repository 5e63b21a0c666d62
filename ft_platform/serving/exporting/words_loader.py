"""Scores a text: python load.py "text". Needs numpy and safetensors, nothing else."""

import json
import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

FOLDER = Path(__file__).resolve().parent
LABELS = json.loads((FOLDER / "export.json").read_text(encoding="utf-8"))["labels"]
TERMS = json.loads((FOLDER / "terms.json").read_text(encoding="utf-8"))["terms"]
PLACES = {term: place for place, term in enumerate(TERMS)}
NUMBERS = {name: one.astype(float) for name, one in load_file(FOLDER / "terms.safetensors").items()}
words = re.findall(r"\b\w+\b", sys.argv[1].lower())
known = Counter(PLACES[term] for term in [*words, *map(" ".join, pairwise(words))] if term in PLACES)
places = list(known)
values = (1 + np.log(np.array([*known.values()], float))) * NUMBERS["idf"][places]
scores = values / (np.linalg.norm(values) or 1) @ NUMBERS["weights"][places] + NUMBERS["intercept"]
scores -= scores.max()
found = (scores - np.log(np.exp(scores).sum())).tolist()
print(json.dumps(dict(zip(LABELS, found, strict=True)), ensure_ascii=False))

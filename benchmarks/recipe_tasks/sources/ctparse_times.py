"""Times as people write them in German and English e-mails, with the interval or point in time that is meant, from the
wheel of ctparse. Expressions with the same meaning are a group."""

import ast
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("ctparse==0.3.6", "MIT", "9014e2c6a64e97a9baa236f3677b958699d6e4713df823a2439b7a003f0d6afa")
POINT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d|X:X) \(X/X\)")


def records(store: Store) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(store.package(SOURCE)) as wheel:
        modules = [ast.parse(wheel.read(f"ctparse/time/{name}.py")) for name in ("corpus", "auto_corpus")]
    for module in modules:
        (cases,) = (node.value for node in module.body if isinstance(node, ast.Assign))
        for meant, now, texts in ast.literal_eval(cases):
            points = POINT.findall(meant)
            if points:
                answer = {}
                for side, (day, clock) in zip(("start", "end"), points, strict=False):
                    answer |= {f"{side}_day": day} | ({} if clock == "X:X" else {f"{side}_time": clock})
                for text in texts:
                    yield {
                        "text": f"Today is {now[:10]}. When is: {text}",
                        "answer": json.dumps(answer),
                        "group": meant + now[:10],
                    }

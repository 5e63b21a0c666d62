"""Times as people write them in German and English, with the point in time or interval that is meant, from the wheel of
ctparse. Expressions with the same meaning are a group."""

import ast
import json
import re

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("ctparse==0.3.6", "MIT", "9014e2c6a64e97a9baa236f3677b958699d6e4713df823a2439b7a003f0d6afa")
POINT = r"(\d{4}-\d\d-\d\d) (\d\d:\d\d|X:X) \(X/X\)"
MEANT = re.compile(rf"\w+\[\]\{{{POINT}(?: - {POINT})?\}}")
"""Other meanings (no day, a part of a day, a duration) are left out."""


def records(store: Store) -> Records:
    for name in ("corpus", "auto_corpus"):
        body = ast.parse(store.member(SOURCE, f"ctparse/time/{name}.py")).body
        (cases,) = (ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign))
        for meant, now, texts in cases:
            if point := MEANT.fullmatch(meant):
                values = zip(("start_day", "start_time", "end_day", "end_time"), point.groups(), strict=True)
                answer = json.dumps({name: value for name, value in values if value and value != "X:X"})
                for text in texts:
                    asked = f"Now it is {now.replace('T', ' ')}. When is: {text}"
                    yield {"text": asked, "answer": answer, "group": meant + now}

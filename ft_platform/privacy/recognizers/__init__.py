"""One recognizer per file: text -> spans of one entity. A file here is found by itself; `entities.py` has the
protocol."""

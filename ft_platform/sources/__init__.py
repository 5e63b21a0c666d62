"""Reads raw records from files: what a source holds now, and which of its rows are new.

One file per format (`csv.py`, `json.py`, `jsonl.py`, `parquet.py`), found by folder: see `formats.py` for what one has to offer.
"""

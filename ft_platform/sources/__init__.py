"""Reads raw records: what a source holds now, and which of its rows are new.

One file per format of files (`csv.py`, `parquet.py`, `excel.py`, ...: see `formats.py` for what one has to offer) and per kind of table
(`sql.py`, `delta.py`: see `table_sources.py`), found by folder.
"""

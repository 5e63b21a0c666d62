"""Reads raw records: what a source holds now, and which of its rows are new.

A format is one file in `formats/`, whose name is what `source.format` holds; a kind of database is one in `databases/`,
known by its URI. `file_format.py` and `table_sources.py` say what they offer. Nothing lists them.
"""

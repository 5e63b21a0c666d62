"""The evidence of one checkpoint as a folder that is handed over: found by lineage, hashed, and checked without the
lake."""

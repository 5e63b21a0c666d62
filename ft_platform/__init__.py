"""Fine-tune LLMs on Dagster: one YAML file becomes one lineage graph."""

__version__ = "0.2.0"

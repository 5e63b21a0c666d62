"""Texts of a table of a Unity Catalog as DuckDB reads them: `duckdb_reader.py URL TOKEN CATALOG.SCHEMA.TABLE`."""

import json
import sys

import duckdb
from duckdb_extensions import import_extension

url, token, name = sys.argv[1:]
catalog, schema, table = name.split(".")
for extension in ("httpfs", "delta", "unity_catalog"):
    import_extension(extension)
connection = duckdb.connect()
connection.execute("LOAD httpfs; LOAD delta; LOAD unity_catalog")
connection.execute(f"CREATE SECRET (TYPE unity_catalog, TOKEN '{token}', ENDPOINT '{url}', AWS_REGION 'none')")
connection.execute(f"ATTACH '{catalog}' AS {catalog} (TYPE unity_catalog)")
found = connection.execute(f"SELECT messages[1].content FROM {catalog}.{schema}.{table} ORDER BY 1").fetchall()
print(json.dumps([text for (text,) in found]))

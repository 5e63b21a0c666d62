"""A local server that answers two questions as Unity Catalog's REST API does: where a table is, and with which
credentials it may be read for an hour.

Run as a program: `python unity_server.py PORT LOCATION`. It serves one table, `main.complaints.received`, to the bearer
of `TOKEN`, who may only read it, and prints each question. Answers:
https://docs.databricks.com/api/workspace/tables/get and .../temporarytablecredentials."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TABLE, TOKEN = "main.complaints.received", "token-of-a-reader"
API = "/api/2.1/unity-catalog"


def table(location: str) -> dict:
    catalog, schema, name = TABLE.split(".")
    return {
        "name": name,
        "catalog_name": catalog,
        "schema_name": schema,
        "full_name": TABLE,
        "table_type": "EXTERNAL",
        "data_source_format": "DELTA",
        "columns": [],
        "storage_location": location,
        "table_id": "5c0f6d1e-0000-4000-8000-000000000001",
        "metastore_id": "5c0f6d1e-0000-4000-8000-000000000002",
        "data_access_configuration_id": "5c0f6d1e-0000-4000-8000-000000000003",
        "owner": "data",
        "created_by": "data",
        "updated_by": "data",
        "created_at": 1_780_000_000_000,
        "updated_at": 1_780_000_000_000,
        "comment": "",
        "properties": {},
        "generation": 1,
        "securable_type": "TABLE",
        "securable_kind": "TABLE_DELTA_EXTERNAL",
        "enable_predictive_optimization": "INHERIT",
    }


def credentials(location: str) -> dict:
    keys = {"access_key_id": "test", "secret_access_key": "test", "session_token": "of-one-hour"}
    return {"aws_temp_credentials": keys, "expiration_time": int(time.time() * 1000) + 3_600_000, "url": location}


def handler(location: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == f"{API}/tables/{TABLE}"
            self._answer(
                200 if known else 404,
                table(location) if known else {"error_code": "TABLE_DOES_NOT_EXIST", "message": "no such table"},
            )

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != f"{API}/temporary-table-credentials" or asked["table_id"] != table(location)["table_id"]:
                self._answer(404, {"error_code": "NOT_FOUND", "message": "no such table"})
            elif asked["operation"] != "READ":
                self._answer(403, {"error_code": "PERMISSION_DENIED", "message": "may only read"}, asked["operation"])
            else:
                self._answer(200, credentials(location), asked["operation"])

        def _answer(self, status: int, body: dict, operation: str = "") -> None:
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, body = 401, {"error_code": "UNAUTHENTICATED", "message": "invalid token"}
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            print(self.command, self.path, status, operation, flush=True)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler(sys.argv[2])).serve_forever()

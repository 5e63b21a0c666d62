"""A stand-in for a Unity Catalog: tables, tags, grants and access tokens. Requests and answers are checked by the types
of Databricks' SDK, and for the open-source server by those of its own client, which are made from its OpenAPI document.

It has the faults of `cloud_service`, loses answers to anything that changes something (`lose`), and breaks down after
some requests (`breaks_after`). As the real ones it refuses a name and a place that are taken. What it cannot show: who
may do what, locations and their credentials, and what Databricks makes of a table's description."""

import base64
import uuid
from typing import Any

from databricks.sdk.service import catalog

from ft_platform_tests.compute.cloud_service import CloudService, Refused
from ft_platform_tests.compute.databricks_workspace import checked, checked_call

TOKEN, CLIENT, SECRET = "dapi-none", "6f1c7c5e-client", "dose-none"
API = r"/api/2\.1/unity-catalog"


class UnityServer(CloudService):
    """
    Args:
        schemas: that there are.
        open_source: has no tags, and a comment for each table; Databricks has tags.

    Attributes:
        tables, tags, grants: by full name of the table, or of what is granted.
        calls: changes that were made, as `POST catalog.schema.table`.
    """

    def __init__(self, *schemas: str, open_source: bool = False) -> None:
        super().__init__(TOKEN)
        self.schemas, self.open_source = list(schemas), open_source
        self.tables: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.grants: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.lose, self.page, self.granted = 0, 1, 0
        self.breaks_after: int | None = None
        self.routes = [
            ("GET", f"{API}/tables", lambda _m, given: self.listed(given)),
            ("POST", f"{API}/tables", lambda _m, given: self.create(given)),
            ("GET", f"{API}/tables/([^/]+)", lambda match, _g: self.table(match[1])),
            ("DELETE", f"{API}/tables/([^/]+)", lambda match, _g: self.delete(match[1])),
            ("GET", f"{API}/permissions/(catalog|schema|table)/([^/]+)", lambda match, _g: self.permissions(match)),
            ("GET", f"{API}/schemas", lambda _m, given: self.list_schemas(given)),
            ("POST", f"{API}/temporary-table-credentials", lambda _m, _g: {"expiration_time": 0}),
        ]
        if not open_source:
            place = f"{API}/entity-tag-assignments"
            self.routes += [
                ("GET", f"{place}/(tables|schemas)/([^/]+)/tags", lambda match, _g: self.list_tags(match[2])),
                ("POST", place, lambda _m, given: self.tag(given, new=True)),
                ("PATCH", f"{place}/tables/([^/]+)/tags/([^/]+)", lambda _m, given: self.tag(given, new=False)),
            ]

    def variables(self) -> dict[str, str]:
        return {"DATABRICKS_HOST": self.url, "DATABRICKS_TOKEN": TOKEN}

    def principal(self) -> dict[str, str]:
        """As `variables`, for OAuth."""
        return {"DATABRICKS_HOST": self.url, "DATABRICKS_CLIENT_ID": CLIENT, "DATABRICKS_CLIENT_SECRET": SECRET}

    def refusal(self, error: Refused) -> dict[str, Any]:
        return {"error_code": error.code, "message": str(error)}

    def answer(self, method: str, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        if path == "/oidc/v1/token":
            if token != f"Basic {base64.b64encode(f'{CLIENT}:{SECRET}'.encode()).decode()}":
                raise Refused(401, "invalid_client", "no such service principal")
            self.granted += 1
            self.token = f"of-an-hour-{self.granted}"
            return {"access_token": self.token, "token_type": "Bearer", "expires_in": 3600}
        if self.breaks_after is not None:
            if self.breaks_after == 0:
                raise Refused(503, "TEMPORARILY_UNAVAILABLE", "down")
            self.breaks_after -= 1
        said = super().answer(method, path, body, token)
        if self.lose and method != "GET":
            self.lose -= 1
            raise ConnectionAbortedError
        return said

    def create(self, given: dict[str, Any]) -> dict[str, Any]:
        if self.open_source:
            self.checked_open("CreateTable", given)
        else:
            checked_call(catalog.TablesAPI.create, given, columns=catalog.ColumnInfo)
        schema = f"{given['catalog_name']}.{given['schema_name']}"
        name = f"{schema}.{given['name']}"
        if schema not in self.schemas:
            raise Refused(404, "SCHEMA_DOES_NOT_EXIST", f"there is no schema {schema}")
        if name in self.tables:
            raise Refused(400, "TABLE_ALREADY_EXISTS", f"table {name} is there")
        if given["storage_location"] in [one["storage_location"] for one in self.tables.values()]:
            raise Refused(400, "INVALID_PARAMETER_VALUE.LOCATION_OVERLAP", "the location overlaps with a table")
        self.calls.append(f"POST {name}")
        named = {} if self.open_source else {"full_name": name}
        self.tables[name] = {**given, **named, "table_id": str(uuid.uuid4())}
        return self.table(name)

    def table(self, name: str) -> dict[str, Any]:
        if name not in self.tables:
            raise Refused(404, "TABLE_DOES_NOT_EXIST", f"there is no table {name}")
        found = self.tables[name]
        return self.checked_open("TableInfo", found) if self.open_source else checked(catalog.TableInfo, found)

    def delete(self, name: str) -> dict[str, Any]:
        self.table(name)
        self.calls.append(f"DELETE {name}")
        self.tags.pop(name, None)
        del self.tables[name]
        return {}

    def listed(self, given: dict[str, Any]) -> dict[str, Any]:
        """Pages of `page`; of several the first one is empty, as Databricks says that any may be."""
        schema = f"{given['catalog_name']}.{given['schema_name']}"
        if schema not in self.schemas:
            raise Refused(404, "SCHEMA_DOES_NOT_EXIST", f"there is no schema {schema}")
        names = sorted(name for name in self.tables if name.rsplit(".", 1)[0] == schema)
        if "page_token" not in given and self.page < len(names):
            return {"tables": [], "next_page_token": "0"}
        at = int(given.get("page_token", 0))
        more = {"next_page_token": str(at + self.page)} if at + self.page < len(names) else {}
        return {"tables": [self.table(name) for name in names[at : at + self.page]], **more}

    def list_schemas(self, given: dict[str, Any]) -> dict[str, Any]:
        named = [one.split(".") for one in self.schemas]
        return {
            "schemas": [
                {"catalog_name": of, "name": name, "full_name": f"{of}.{name}"}
                for of, name in named
                if of == given["catalog_name"]
            ]
        }

    def permissions(self, match: Any) -> dict[str, Any]:
        if match[1] == "table":
            self.table(match[2])
        return checked(catalog.GetPermissionsResponse, {"privilege_assignments": self.grants.get(match[2], [])})

    def list_tags(self, name: str) -> dict[str, Any]:
        values = self.tags.get(name, {}).items()
        said = [
            {"entity_type": "tables", "entity_name": name, "tag_key": key, "tag_value": value} for key, value in values
        ]
        return {"tag_assignments": [checked(catalog.EntityTagAssignment, one) for one in said]}

    def tag(self, given: dict[str, Any], new: bool) -> dict[str, Any]:
        given.pop("update_mask", None)
        checked(catalog.EntityTagAssignment, given)
        name, key = given["entity_name"], given["tag_key"]
        self.table(name)
        if set(key) & set(".,-=/:") or len(given["tag_value"]) > 1000:
            raise Refused(400, "INVALID_PARAMETER_VALUE", "no key or value of a tag")
        if new == (key in self.tags.get(name, {})):
            raise (
                Refused(409, "ALREADY_EXISTS", "there is this tag") if new else Refused(404, "NOT_FOUND", "no such tag")
            )
        self.calls.append(f"tag {name} {key}")
        self.tags.setdefault(name, {})[key] = given["tag_value"]
        return given

    def checked_open(self, kind: str, value: dict[str, Any]) -> dict[str, Any]:
        """The value, which has nothing that the type of the open-source client does not know."""
        from unitycatalog.client import models

        known = getattr(models, kind).from_dict(value).to_dict()
        if known != value:
            raise Refused(400, "INVALID_ARGUMENT", f"not what {kind} is: {value}")
        return value

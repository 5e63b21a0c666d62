"""A stand-in for what fake-gcs-server 1.54 lacks of Google Cloud Storage, in front of it: uploads by the XML API, as
Delta's library makes them, and the deletion of one earlier generation of an object. The rest is passed on.

An upload becomes one by the JSON API, whose condition (`ifGenerationMatch`) the server judges. `python -m
ft_platform_tests.lake.object_store.gcs_gaps PORT STORE` runs it: a process of its own, because deltalake lets no other
thread run while it waits for some answers."""

import json
import sys
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from ft_platform_tests.lake.object_store.proxy import Handler, proxy

JSON_API = ("/storage/", "/upload/", "/download/", "/batch/", "/_internal/")
CONDITION = "x-goog-if-generation-match"
BOUNDARY = "part-of-an-upload"
TAKEN = b"<Error><Code>PreconditionFailed</Code><Message>At least one condition did not hold.</Message></Error>"


class Gaps(Handler):
    """Passes a request on, or does what the server would not."""

    gone: set[tuple[str, str]] = set()
    """Name and generation of what was deleted, of all buckets."""

    def _ask(self, body: bytes, held: bool) -> None:
        url = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if not self.path.startswith(JSON_API):
            bucket, _, name = unquote(url.path).lstrip("/").partition("/")
            if self.command == "PUT":
                self._upload(bucket, name, body)
                return
            if "start-after" in asked:
                self._list(asked["start-after"])
                return
            self.path = quote(f"/{bucket}/{name}" if name else f"/{bucket}") + (f"?{url.query}" if url.query else "")
        elif "generation" in asked or "versions" in asked:
            self._of_generations(url.path, asked)
            return
        super()._ask(body, held)

    def asked(
        self, method: str, path: str, body: bytes = b"", more: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, dict[str, str], bytes]:
        """The server knows the XML API under its own name only."""
        return super().asked(method, path, body, {**more, "host": self.server.store})

    def _upload(self, bucket: str, name: str, body: bytes) -> None:
        asked = {"uploadType": "multipart", "name": name}
        if (condition := self.headers.get(CONDITION)) is not None:
            asked["ifGenerationMatch"] = condition
        kind = self.headers.get("content-type") or "application/octet-stream"
        told = json.dumps({"name": name, "contentType": kind})
        head = f"Content-Type: application/json\r\n\r\n{told}\r\n--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n"
        parts = f"--{BOUNDARY}\r\n{head}".encode() + body + f"\r\n--{BOUNDARY}--\r\n".encode()
        place = f"/upload/storage/v1/b/{quote(bucket)}/o?{urlencode(asked)}"
        more = {"content-type": f"multipart/related; boundary={BOUNDARY}"}
        status, _, content = self.asked("POST", place, parts, more)
        if status == 412:
            self._answer(412, {"content-type": "application/xml"}, TAKEN)
        elif status == 200:
            made = json.loads(content)
            self._answer(200, {"etag": f'"{made["etag"]}"', "x-goog-generation": made["generation"]}, b"")
        else:
            self._answer(status, {"content-type": "application/json"}, content)

    def _list(self, after: str) -> None:
        """The server lists from the beginning."""
        status, headers, content = self.asked(self.command, self.path)
        page = ElementTree.fromstring(content) if status == 200 else ElementTree.Element("Error")
        assert page.findtext("IsTruncated") in (None, "false"), "more than a page is not kept apart here"
        for found in page.findall("Contents"):
            if (found.findtext("Key") or "") <= after:
                page.remove(found)
        if status == 200:
            headers, content = {"content-type": "application/xml"}, ElementTree.tostring(page)
        self._answer(status, headers, content)

    def _of_generations(self, path: str, asked: dict[str, str]) -> None:
        """One generation read or deleted, or all of them listed."""
        name = unquote(path.partition("/o/")[2])
        deleted = (name, asked.get("generation", "")) in self.gone
        if deleted or (self.command == "DELETE" and not self._is_newest(path, asked["generation"])):
            status = 404 if deleted else self.asked("GET", self.path)[0]
            if status == 200:
                self.gone.add((name, asked["generation"]))
                self._answer(204, {}, b"")
            else:
                self._answer(
                    404, {"content-type": "application/json"}, b'{"error":{"code":404,"message":"No such object"}}'
                )
            return
        status, headers, content = self.asked(self.command, self.path)
        if "versions" in asked and status == 200:
            found = json.loads(content)
            found["items"] = [
                one for one in found.get("items", []) if (one["name"], one["generation"]) not in self.gone
            ]
            content = json.dumps(found).encode()
            headers = {"content-type": "application/json"}
        self._answer(status, headers, content)

    def _is_newest(self, path: str, generation: str) -> bool:
        status, _, content = self.asked("GET", path)
        found: Any = json.loads(content) if status == 200 else {}
        return found.get("generation") == generation


if __name__ == "__main__":
    with proxy(sys.argv[2], Gaps, int(sys.argv[1])):
        threading.Event().wait()

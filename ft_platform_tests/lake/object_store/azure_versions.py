"""A stand-in for an account of Azure Storage that keeps earlier versions of blobs, in front of Azurite, which keeps
none.

Whatever a write or a deletion replaces becomes an earlier version with an id of its own. It is listed, read and deleted
as Microsoft describes it (learn.microsoft.com/azure/storage/blobs/versioning-overview), and Microsoft's client reads
the answers; the newest one cannot be deleted by its id. The rest is passed on."""

import re
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ft_platform_tests.lake.object_store.proxy import Handler, Proxy, proxy

RANGE = re.compile(r"bytes=(\d+)-(\d*)")
NEWEST = b"<?xml version='1.0'?><Error><Code>OperationNotAllowedOnRootBlob</Code><Message>The newest.</Message></Error>"
MISSING = b"<?xml version='1.0'?><Error><Code>BlobNotFound</Code><Message>There is no such version.</Message></Error>"


@dataclass
class Kept:
    """Versions of blobs.

    Attributes:
        client: of Azurite.
        newest: container and name -> id of what is there.
        earlier: container and name -> id -> content and properties.
    """

    client: Any
    newest: dict[tuple[str, str], str] = field(default_factory=dict)
    earlier: dict[tuple[str, str], dict[str, tuple[bytes, Any]]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    last: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def new_id(self) -> str:
        """A moment, later than each before, in steps of 100 nanoseconds."""
        self.last = max(datetime.now(UTC), self.last + timedelta(microseconds=1))
        return f"{self.last:%Y-%m-%dT%H:%M:%S.%f}0Z"

    def there(self, container: str, name: str) -> tuple[bytes, Any] | None:
        from azure.core.exceptions import ResourceNotFoundError  # pyright: ignore[reportMissingImports]

        try:
            found = self.client.get_blob_client(container, name).download_blob()
            return found.readall(), found.properties
        except ResourceNotFoundError:
            return None


class Versions(Handler):
    """Passes a request on, and keeps what it replaces."""

    kept: Kept

    def _ask(self, body: bytes, held: bool) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        _, container, name = [*unquote(url.path).lstrip("/").split("/", 2), "", ""][:3]
        writes = self.command == "DELETE" or (self.command == "PUT" and query.get("comp") in (None, "blocklist"))
        with self.kept.lock:
            if name and "versionid" in query:
                self._one(self.kept.earlier.get((container, name), {}), (container, name), query["versionid"])
            elif name and writes:
                self._write((container, name), body)
            elif query.get("comp") == "list" and "versions" in query.get("include", ""):
                self._list(container, query.get("prefix", ""))
            else:
                super()._ask(body, held)

    def _write(self, blob: tuple[str, str], body: bytes) -> None:
        before = self.kept.there(*blob)
        status, headers, content = self.asked(self.command, self.path, body)
        if status < 300:
            if before is not None:
                version = self.kept.newest.pop(blob, None) or self.kept.new_id()
                self.kept.earlier.setdefault(blob, {})[version] = before
            if self.command == "PUT":
                headers["x-ms-version-id"] = self.kept.newest[blob] = self.kept.new_id()
        self._answer(status, headers, content)

    def _one(self, earlier: dict[str, tuple[bytes, Any]], blob: tuple[str, str], version: str) -> None:
        if version == self.kept.newest.get(blob):
            if self.command == "DELETE":
                self._answer(403, {"content-type": "application/xml"}, NEWEST)
            else:
                self._content(*(self.kept.there(*blob) or (b"", None)), version)
        elif version not in earlier:
            self._answer(404, {"content-type": "application/xml", "x-ms-error-code": "BlobNotFound"}, MISSING)
        elif self.command == "DELETE":
            del earlier[version]
            self._answer(202, {"x-ms-delete-type-permanent": "true"}, b"")
        else:
            self._content(*earlier[version], version)

    def _content(self, content: bytes, properties: Any, version: str) -> None:
        asked = RANGE.match(self.headers.get("x-ms-range") or self.headers.get("range") or "")
        start = int(asked[1]) if asked else 0
        piece = content[start : int(asked[2]) + 1 if asked and asked[2] else None]
        headers = {
            "etag": properties.etag,
            "last-modified": f"{properties.last_modified:%a, %d %b %Y %H:%M:%S GMT}",
            "content-type": "application/octet-stream",
            "content-length": str(len(piece)),
            "x-ms-blob-type": "BlockBlob",
            "x-ms-version-id": version,
        }
        if asked:
            headers["content-range"] = f"bytes {start}-{start + len(piece) - 1}/{len(content)}"
        self._answer(206 if asked else 200, headers, piece)

    def _list(self, container: str, prefix: str) -> None:
        status, headers, content = self.asked(self.command, self.path)
        if status != 200:
            self._answer(status, headers, content)
            return
        page = ElementTree.fromstring(content.decode("utf-8-sig"))
        blobs = page.find("Blobs")
        assert blobs is not None and not page.findtext("NextMarker"), "more than a page is not kept apart here"
        for blob in blobs.findall("Blob"):
            key = (container, blob.findtext("Name") or "")
            _after_name(blob, self.kept.newest.setdefault(key, self.kept.new_id()), newest=True)
        for (of, name), versions in sorted(self.kept.earlier.items()):
            if of == container and name.startswith(prefix):
                for version, (earlier, properties) in sorted(versions.items()):
                    blobs.append(_element(name, version, len(earlier), properties))
        told = b'<?xml version="1.0" encoding="utf-8"?>' + ElementTree.tostring(page)
        self._answer(200, {"content-type": "application/xml"}, told)


def _after_name(blob: ElementTree.Element, version: str, newest: bool) -> None:
    """In the order of the service: name, version, whether it is the newest, properties."""
    if newest:
        (current := ElementTree.Element("IsCurrentVersion")).text = "true"
        blob.insert(1, current)
    (told := ElementTree.Element("VersionId")).text = version
    blob.insert(1, told)


def _element(name: str, version: str, size: int, properties: Any) -> ElementTree.Element:
    blob = ElementTree.Element("Blob")
    ElementTree.SubElement(blob, "Name").text = name
    _after_name(blob, version, newest=False)
    told = ElementTree.SubElement(blob, "Properties")
    for tag, text in {
        "Last-Modified": f"{properties.last_modified:%a, %d %b %Y %H:%M:%S GMT}",
        "Etag": properties.etag.strip('"'),
        "Content-Length": str(size),
        "BlobType": "BlockBlob",
    }.items():
        ElementTree.SubElement(told, tag).text = text
    return blob


@contextmanager
def keeping_versions(store: str, account: str, key: str) -> Iterator[Proxy]:
    """A proxy of Azurite at this address that keeps what is replaced through it."""
    from azure.storage.blob import BlobServiceClient  # pyright: ignore[reportMissingImports]

    with BlobServiceClient(f"{store}/{account}", {"account_name": account, "account_key": key}) as client:
        handler = type("VersionsOfOne", (Versions,), {"kept": Kept(client)})
        with proxy(store, handler) as found:
            yield found

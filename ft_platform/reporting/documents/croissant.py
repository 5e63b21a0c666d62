"""The records as Croissant 1.0 JSON-LD: files with their sha256, and what each column holds.

Format: https://docs.mlcommons.org/croissant/docs/croissant-spec.html (version 1.0); the context is the one it
prescribes."""

import json
from collections.abc import Mapping
from typing import Any

from ft_platform.process.hidden_names import source_place
from ft_platform.reporting.documents.facts import Facts, NotKnown

FILE = "dataset/croissant.json"
CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {"string": "sc:Text", "int32": "sc:Integer", "int64": "sc:Integer", "double": "sc:Float", "bool": "sc:Boolean"}
"""Arrow type -> Croissant type. Other columns are nested: their fields are not described here."""

COLUMNS = {
    "record_id": "Id of the record, given once when it was read.",
    "subject_id": "Pseudonym of the person, where the source names one.",
    "messages": "The conversation, with the personal data replaced that was found.",
    "label": "The class, where the records have one.",
    "record_date": "Day of the record.",
    "entities": "How much personal data of each kind was replaced.",
    "sha256_after": "sha256 over the texts of the record as they are here.",
    "text_characters": "Characters of the texts.",
    "group_id": "Records of one group are on the same side.",
    "split": "train, validation or test.",
}


def make(facts: Facts) -> str:
    """The JSON-LD text.

    Raises:
        NotKnown: there is no version of `splits`, or its files were not read.
    """
    manifest = facts.manifest("splits")
    if facts.table is None:
        raise NotKnown(f"the files of {manifest.id} were not read")
    table = facts.table()
    governance, settings = facts.section("permitted_records", "governance"), facts.section("raw_records", "source")
    purpose = f" Used for: {governance.purpose}." if governance else ""
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": facts.name,
        "description": (
            f"Anonymized records of the use case {facts.name}, divided for training, validation and test.{purpose}"
        ),
        "version": f"{manifest.version}.0.0",
        "datePublished": manifest.written_at,
        "identifier": f"{manifest.id} {manifest.content_hash}",
        **({"license": governance.licence} if governance and governance.licence else {}),
        **({"isBasedOn": source_place(settings.uri)} if settings else {}),
        "distribution": [*(_file(one) for one in table["files"]), _all_files(table["files"])],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "records",
                "name": "records",
                "key": {"@id": "records/record_id"},
                "field": _fields(table["columns"]),
            }
        ],
    }
    return json.dumps(found, indent=1, ensure_ascii=False)


def _file(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": one["name"],
        "name": one["name"],
        "contentUrl": one["name"],
        "contentSize": f"{one['bytes']} B",
        "encodingFormat": "application/x-parquet",
        "sha256": one["sha256"],
    }


def _all_files(files: list[dict[str, Any]]) -> dict[str, Any]:
    """The files of this version by name: the table's folder also holds those of other versions."""
    return {
        "@type": "cr:FileSet",
        "@id": "rows",
        "name": "rows",
        "description": "Every file of this version, in the folder of the table.",
        "encodingFormat": "application/x-parquet",
        "includes": [one["name"] for one in files],
    }


def _fields(columns: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:Field",
            "@id": f"records/{name}",
            "name": name,
            "description": COLUMNS.get(
                name, f"Feature {name.removeprefix('feature_')}: compared between groups, never part of a prompt."
            ),
            "dataType": TYPES[kind],
            "source": {"fileSet": {"@id": "rows"}, "extract": {"column": name}},
        }
        for name, kind in columns.items()
        if kind in TYPES
    ]

"""The description of the API, for programs (`/openapi.json`) and as a page without scripts (`/docs`)."""

import html
from functools import cache
from typing import Any

from pydantic import BaseModel

from ft_platform import __version__
from ft_platform.serving.api.bodies import ChatBody, ClassifyBody, CompletionBody, FeedbackBody

SCHEMAS = "#/components/schemas/"
TEXT = {"/metrics": "text/plain", "/docs": "text/html", "/": "text/html"}
OPERATIONS: dict[tuple[str, str], tuple[str, type[BaseModel] | None]] = {
    ("/v1/models", "get"): ("The models that this key may ask.", None),
    ("/v1/models/{name}", "get"): ("One model.", None),
    ("/v1/chat/completions", "post"): (
        "Answers a conversation, whole or as server-sent events. A model for labels answers with one of its labels.",
        ChatBody,
    ),
    ("/v1/completions", "post"): (
        "Goes on with a text that is not put into the chat template. A model for labels labels it.",
        CompletionBody,
    ),
    ("/v1/classify", "post"): (
        "The label of each text, with the probability of every label. `abstained`: the probability is lower than the"
        " threshold of the model, or the text is unlike its records, so a person should decide.",
        ClassifyBody,
    ),
    ("/v1/feedback", "post"): (
        "Whether an answer was good, or what is right. Texts only where they are kept.",
        FeedbackBody,
    ),
    ("/health", "get"): ("Whether the server runs. Needs no key.", None),
    ("/ready", "get"): ("Whether a model is served. Needs no key.", None),
    ("/metrics", "get"): ("Figures for Prometheus. Needs a key for all use cases.", None),
    ("/openapi.json", "get"): ("This description.", None),
    ("/docs", "get"): ("This description as a page.", None),
    ("/", "get"): ("A page on which people ask the models.", None),
}
ERRORS = {
    "400": "The request has a mistake.",
    "401": "There is no key, or it is unknown, expired or revoked.",
    "403": "The key is not for this model.",
    "404": "There is no such model, or it is no longer served.",
    "429": "The server is busy, or the key has used up its requests: see `Retry-After`.",
    "503": "Models cannot be served at the moment.",
}
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}

STYLE = """body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
td, th { text-align: left; padding: .2rem .8rem }"""
PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>ft-platform: API</title><style>{style}</style>
<h1>API</h1><p>Released models, in OpenAI's protocol. <a href="./">Try them</a>. Programs read
<code>/openapi.json</code>.</p>{parts}</html>
"""


@cache
def description() -> dict[str, Any]:
    """The API in OpenAPI 3.1."""
    schemas: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, dict[str, Any]] = {}
    for (path, method), (meaning, body) in OPERATIONS.items():
        fails = {"application/json": {"schema": {"$ref": f"{SCHEMAS}Error"}}}
        told: dict[str, Any] = {
            "summary": meaning,
            "responses": {"200": {"description": "Done.", "content": {TEXT.get(path, "application/json"): {}}}},
        }
        if path.startswith("/v1/"):
            told["security"] = [{"key": []}]
            told["responses"] |= {code: {"description": words, "content": fails} for code, words in ERRORS.items()}
        if "{name}" in path:
            told["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
        if body:
            schema = body.model_json_schema(ref_template=SCHEMAS + "{model}")
            schemas |= schema.pop("$defs", {})
            schemas[body.__name__] = schema
            content = {"application/json": {"schema": {"$ref": f"{SCHEMAS}{body.__name__}"}}}
            told["requestBody"] = {"required": True, "content": content}
        paths.setdefault(path, {})[method] = told
    key = {"type": "http", "scheme": "bearer", "description": "A key that `ft serve keys add` showed."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "ft-platform", "version": __version__, "description": "Released models, as OpenAI's API."},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": key}},
    }


@cache
def page() -> str:
    """The description for people."""
    parts = []
    for (path, method), (meaning, body) in OPERATIONS.items():
        parts.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{html.escape(meaning)}</p>")
        if body:
            rows = "".join(
                f"<tr><td><code>{field.alias or name}</code><td>{'required' if field.is_required() else ''}"
                f"<td>{html.escape(field.description or '')}</tr>"
                for name, field in body.model_fields.items()
            )
            parts.append(f"<table><tr><th>field<th><th>meaning</tr>{rows}</table>")
    return PAGE.format(style=STYLE, parts="".join(parts))

"""What LiteLLM gets from a server, as JSON. Arguments: address, a model with answers, one with labels."""

import asyncio
import json
import os
import sys

import litellm

base, answers, labels = sys.argv[1:]
messages = [{"role": "user", "content": "Why is my card blocked?"}]


def given(model: str, **fields: object) -> dict[str, object]:
    key = os.environ.get("FT_API_KEY", "none")
    of = {"model": f"openai/{model}", "api_base": f"{base}/v1", "api_key": key, "messages": messages}
    return {**of, "max_retries": 0, "timeout": 60, **fields}


async def later() -> str:
    stream = await litellm.acompletion(**given(answers, stream=True))
    return "".join([part.choices[0].delta.content or "" async for part in stream])


whole = litellm.completion(**given(answers))
parts = list(litellm.completion(**given(answers, stream=True, stream_options={"include_usage": True})))
told = {
    "whole": whole.choices[0].message.content,
    "tokens": whole.usage.completion_tokens,
    "reason": whole.choices[0].finish_reason,
    "streamed": "".join(part.choices[0].delta.content or "" for part in parts if part.choices),
    "streamed_tokens": parts[-1].usage.completion_tokens,
    "streamed_later": asyncio.run(later()),
    "form": json.loads(
        litellm.completion(**given(answers, response_format={"type": "json_object"})).choices[0].message.content
    ),
    "label": litellm.completion(**given(labels)).choices[0].message.content,
}
for model, name in (("nothing", "missing"), (answers, "wrong")):
    try:
        litellm.completion(**given(model, temperature=5 if name == "wrong" else 0))
    except Exception as error:
        told[name] = type(error).__name__
print(json.dumps(told))

"""What LangChain gets from a server, as JSON. Arguments: address, a model with answers, one with labels."""

import asyncio
import json
import os
import sys

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

base, answers, labels = sys.argv[1:]
QUESTION = "Why is my card blocked?"


class Form(BaseModel):
    """The form of an answer."""

    a: int


def chat(model: str) -> ChatOpenAI:
    key = os.environ.get("FT_API_KEY", "none")
    return ChatOpenAI(model=model, base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=60)


async def later(model: ChatOpenAI) -> str:
    return "".join([part.content async for part in model.astream(QUESTION)])


model = chat(answers)
whole = model.invoke(QUESTION)
conversation = [
    SystemMessage("Be short."),
    HumanMessage(QUESTION),
    AIMessage("Which card?"),
    HumanMessage("The blue one"),
]
told = {
    "whole": whole.content,
    "tokens": whole.usage_metadata["output_tokens"],
    "reason": whole.response_metadata["finish_reason"],
    "streamed": "".join(part.content for part in model.stream(QUESTION)),
    "streamed_later": asyncio.run(later(model)),
    "conversation": model.invoke(conversation).content,
    "batch": [one.content for one in model.batch([QUESTION] * 3)],
    "form": model.with_structured_output(Form).invoke(QUESTION).a,
    "json": model.with_structured_output(Form, method="json_mode").invoke(QUESTION).a,
    "label": chat(labels).invoke(QUESTION).content,
}
try:
    model.with_structured_output(Form, method="function_calling").invoke(QUESTION)
except Exception as error:
    told["tools"] = str(error)
print(json.dumps(told))

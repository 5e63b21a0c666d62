"""What clients send. Fields that are not here are ignored, as vLLM does, since clients add fields of their own; the
header `X-FT-Ignored` names them."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ft_platform.serving.api.answer_forms import closed

LONGEST_NAME = 200
STOPS = 8
SCHEMA_CHARACTERS = 20_000

Stop = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Texts = Annotated[list[str], Field(min_length=1, max_length=16)]
TokenIds = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]


TEXTS = ("text", "input_text")
ROLES = {"developer": "system", "function": "tool"}
"""Roles that the renderer knows by another name."""
FIELD = re.compile(r"[\w.-]{1,50}", re.ASCII)
MOST_IGNORED = 20

TOKEN_IDS = "Tell the prompt as the model reads it, as `prompt_token_ids` (vLLM's name); not in streams."


class Body(BaseModel):
    """A request. A number is no text and a text is no number; `null` is as if a field was left out."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def without_nulls(cls, values: Any) -> Any:
        return (
            {name: value for name, value in values.items() if value is not None} if isinstance(values, dict) else values
        )


class TextPart(Body):
    """Part of a message; pictures and sound are refused."""

    type: Literal["text", "input_text"] = Field(description="Only text.")
    text: str


class Function(Body):
    """A call of a tool that a model once made."""

    name: str = Field(max_length=LONGEST_NAME)
    arguments: str = Field(default="{}", description="JSON.")

    @property
    def arguments_read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.arguments)
        except (ValueError, RecursionError):
            found = None
        return found if isinstance(found, dict) else {"arguments": self.arguments}


class ToolCall(Body):
    """The same, as newer clients send it."""

    function: Function


class ChatMessage(Body):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] = ""
    tool_calls: list[ToolCall] = Field(default_factory=list, max_length=100, description="Of an earlier answer.")
    function_call: Function | None = Field(default=None, description="The older form of `tool_calls`.")

    @field_validator("content", mode="before")
    @classmethod
    def is_text(cls, value: Any) -> Any:
        kinds = [str(part.get("type")) for part in value if isinstance(part, dict)] if isinstance(value, list) else []
        if any("image" in kind for kind in kinds):
            raise ValueError("images are not understood by this model")
        if any(kind not in TEXTS for kind in kinds):
            raise ValueError("only text is understood by this model")
        return value

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)

    def to_records(self) -> list[dict[str, str]]:
        """As the renderer reads messages of records."""
        calls = [one.function for one in self.tool_calls] + ([self.function_call] if self.function_call else [])
        told = [{"name": one.name, "arguments": one.arguments_read} for one in calls]
        said = {"role": ROLES.get(self.role, self.role), "content": self.text}
        if not told:
            return [said]
        return [*([said] if said["content"] else []), {"role": "tool_call", "content": json.dumps(told)}]


class JsonSchema(Body):
    """A JSON Schema under a name."""

    name: str = Field(default="answer", max_length=LONGEST_NAME)
    # Not `schema`, which is a method of pydantic's models.
    wanted: dict[str, Any] = Field(alias="schema", description="JSON Schema of at most 20,000 characters.")

    @field_validator("wanted")
    @classmethod
    def is_small(cls, value: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(value, allow_nan=False)) > SCHEMA_CHARACTERS:
            raise ValueError(f"has more than {SCHEMA_CHARACTERS} characters")
        return value


class ResponseFormat(Body):
    """Which form the answer has."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def has_its_schema(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("`json_schema` is missing")
        return self

    @property
    def wanted(self) -> dict[str, Any] | None:
        """The schema that the answer must fit."""
        if self.type == "json_schema" and self.json_schema:
            return closed(self.json_schema.wanted)
        return {"type": "object"} if self.type == "json_object" else None


class StreamOptions(Body):
    """What a stream tells besides the answer."""

    include_usage: bool = Field(default=False, description="A last event with the numbers of tokens.")


class Metadata(Body):
    """What a request says about its texts, in OpenAI's field for notes of the client's own. Other names are read only
    where they are sensitive features of the use case (`noting.sensitive`)."""

    model_config = ConfigDict(extra="allow")

    subject: str = Field(default="", max_length=300, description="Whom the texts are about.")
    consent: str = Field(default="", max_length=300)
    purpose: str = Field(default="", max_length=300, description="What they may be used for, separated by `;`.")


USER = "On whose behalf it is asked: one user stays with one release while a new one is tried."
METADATA = (
    "`subject`, `consent` and `purpose` say whether the texts may be kept (`monitoring.capture`). A sensitive feature"
    " of the use case (`fairness.sensitive_features`) is kept with them, as a text of at most 100 characters."
)


class OpenBody(Body):
    """A request whose other fields are kept by name."""

    model_config = ConfigDict(extra="allow")

    def unread(self) -> set[str]:
        """Fields that are not here, where their names may stand in a header."""
        return {name for name in self.model_extra or {} if FIELD.fullmatch(name)}


class AnswerBody(OpenBody):
    """What chat and completions share."""

    metadata: Metadata = Field(default_factory=Metadata, description=METADATA)
    user: str = Field(default="", description=USER)
    model: str = Field(min_length=1, max_length=LONGEST_NAME, description="Name of a model, as in `/v1/models`.")
    max_tokens: Count | None = Field(
        default=None, description="Longest answer in tokens. Default: `evaluation.max_new_tokens` of the use case."
    )
    temperature: float = Field(default=0.0, ge=0.0, le=2.0, description="Default: 0, as the model was evaluated.")
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    n: int = Field(default=1, ge=1, le=16, description="Answers to the prompt.")
    stop: Stop | Annotated[list[Stop], Field(max_length=STOPS)] = Field(
        default_factory=list, description="Texts at which an answer ends, without them."
    )
    frequency_penalty: float = Field(default=0.0, ge=-2.0, le=2.0)
    presence_penalty: float = Field(default=0.0, ge=-2.0, le=2.0)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] = Field(
        default_factory=dict, max_length=1024, description="Id of a token -> what is added to its logit."
    )
    stream: bool = Field(default=False, description="Send the answer in parts, as server-sent events.")
    stream_options: StreamOptions = Field(default_factory=StreamOptions)

    @field_validator("logit_bias")
    @classmethod
    def is_of_tokens(cls, value: dict[str, float]) -> dict[str, float]:
        if not all(re.fullmatch("[0-9]{1,9}", token) for token in value):
            raise ValueError("names of tokens must be their ids")
        return value

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


class ChatBody(AnswerBody):
    """`POST /v1/chat/completions`."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    max_completion_tokens: Count | None = Field(default=None, description="The newer name of `max_tokens`.")
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=20, description="Alternatives for each token.")
    response_format: ResponseFormat = Field(default_factory=ResponseFormat)
    return_token_ids: bool = Field(default=False, description=TOKEN_IDS)
    tool_choice: str | dict[str, Any] = "auto"
    tools: list[Any] = Field(default_factory=list, description="No tool is called: `tool_choice` must be `none`.")
    function_call: str | dict[str, Any] = "auto"
    functions: list[Any] = Field(default_factory=list, description="The older form of `tools`.")

    @field_validator("tools", "functions")
    @classmethod
    def are_not_called(cls, value: list[Any], info: ValidationInfo) -> list[Any]:
        choice = "tool_choice" if info.field_name == "tools" else "function_call"
        if value and info.data.get(choice) != "none":
            raise ValueError(f'tools are not served; leave them out, or send `{choice}: "none"`')
        return value

    @property
    def longest(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def alternatives(self) -> int | None:
        return self.top_logprobs if self.logprobs else None


class CompletionBody(AnswerBody):
    """`POST /v1/completions`."""

    prompt: str | Texts | TokenIds | Annotated[list[TokenIds], Field(min_length=1, max_length=16)] = Field(
        description="A text or several, or their token ids. It is not put into the chat template."
    )
    max_tokens: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        default=None, description="Longest answer in tokens; 0: none, to have the prompt scored (`echo`, `logprobs`)."
    )
    logprobs: int | None = Field(default=None, ge=0, le=20, description="Alternatives for each token.")
    echo: bool = Field(default=False, description="Repeat the prompt before the answer; not in streams.")
    response_format: ResponseFormat = Field(default_factory=ResponseFormat)

    @property
    def has_ids(self) -> bool:
        return not isinstance(self.prompts[0], str)

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        return [self.prompt] if isinstance(self.prompt[0], int) else self.prompt  # pyright: ignore[reportReturnType]

    @property
    def longest(self) -> int | None:
        return self.max_tokens

    @property
    def alternatives(self) -> int | None:
        return self.logprobs


class ClassifyBody(OpenBody):
    """`POST /v1/classify`."""

    metadata: Metadata = Field(default_factory=Metadata, description=METADATA)
    return_token_ids: bool = Field(default=False, description=TOKEN_IDS)
    user: str = Field(default="", description=USER)
    model: str = Field(min_length=1, max_length=LONGEST_NAME)
    input: str | Annotated[list[str], Field(min_length=1)] | Annotated[list[ChatMessage], Field(min_length=1)] = Field(
        description="A text, several texts, or the messages of one conversation."
    )

    @property
    def conversations(self) -> list[list[dict[str, str]]]:
        """One for each answer."""
        if isinstance(self.input, str):
            return [[{"role": "user", "content": self.input}]]
        texts = [one for one in self.input if isinstance(one, str)]
        if texts:
            return [[{"role": "user", "content": text}] for text in texts]
        return [[record for one in self.input if isinstance(one, ChatMessage) for record in one.to_records()]]


class FeedbackBody(Body):
    """`POST /v1/feedback`. Texts (`answer`, `comment`) are taken where texts of the use case are kept."""

    request_id: str = Field(pattern=r"^[a-z]{3,10}-[0-9a-f]{32}$", description="`id` of an answer.")
    index: int = Field(default=0, ge=0, le=1000, description="Which of its answers.")
    model: str = Field(default="", max_length=LONGEST_NAME, description="Needed for answers before the last 50,000.")
    rating: Literal["good", "bad"] | None = None
    correct_label: str | None = Field(default=None, min_length=1, max_length=1000, description="One of the labels.")
    answer: str | None = Field(default=None, min_length=1, max_length=20_000, description="What is right instead.")
    by: str | None = Field(default=None, min_length=1, max_length=200, description="Who says so; kept as a digest.")
    csat: int | None = Field(default=None, ge=1, le=5, description="Satisfaction, 1 to 5.")
    comment: str | None = Field(default=None, min_length=1, max_length=4_000)

    @model_validator(mode="after")
    def says_something(self) -> "FeedbackBody":
        said = (self.rating, self.correct_label, self.answer, self.csat, self.comment)
        if all(one is None for one in said):
            raise ValueError("`rating`, `correct_label`, `answer`, `csat` or `comment` is needed")
        return self

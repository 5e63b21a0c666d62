"""What a served model does with a request and its answer beyond answering."""

from typing import Annotated, Literal

from pydantic import Field

from ft_platform.use_case.settings.section import Section


class Guardrails(Section):
    """What is done with requests before the model and with answers before the caller."""

    personal_data: Literal["replace", "refuse", "pass"] = Field(
        default="replace",
        description=(
            "Personal data in a request, found as in the training records (`privacy`). `replace`: it is replaced by the"
            " same operators before the model reads it, and restored in the answer. The default, because the model was"
            " trained and evaluated on records in which it was replaced: so requests look like them. `refuse`: such a"
            " request is an error. `pass`: the model reads it."
        ),
    )
    answer_scan: Literal["withhold", "replace", "pass"] = Field(
        default="replace",
        description=(
            "Personal data in an answer that the request does not contain, and secrets (API keys, passwords, private"
            " keys). `replace`: `<PHONE>` stands in its place. `withhold`: the answer is not shown. Answers that are"
            " labels are not searched."
        ),
    )
    invalid_answer: Literal["abstain", "pass"] = Field(
        default="abstain",
        description=(
            "An answer that is no label, or no JSON of `task.fields` where `task.answer_format` is `json`. `abstain`:"
            " it is not shown."
        ),
    )
    abstain_below: Annotated[float, Field(ge=0.0, le=1.0)] | Literal["auto", "none"] = Field(
        default="auto",
        description=(
            "Probability of a label in [0, 1] below which the model abstains. `auto`: the lowest from which"
            " `abstain_for_accuracy` is proven on the test records of the evaluation behind the release. With both, it"
            " also abstains where a text is unlike the records: without words, or in none of"
            " `cleaning.allowed_languages`."
        ),
    )
    abstain_for_accuracy: float | None = Field(
        default=None,
        gt=0.0,
        lt=1.0,
        description=(
            "`abstain_below: auto`: accuracy in (0, 1) that the labels must have on which the model does not abstain."
            " If no probability is proven to reach it, the model always abstains. Default: 0.95 where a probability is"
            " proven to reach it; else every text gets a label, and the decision says so."
        ),
    )
    longest_input: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Longest text of a request, all messages together, in `longest_input_unit`. Default: what fits.",
    )
    longest_input_unit: Literal["characters", "tokens"] = Field(
        default="characters", description="What `longest_input` counts; tokens are those of the base model."
    )

    def problems_with(self, kind: str, label_answers: str) -> list[str]:
        """What does not fit the task, in sentences.

        Args:
            kind: `task.kind`.
            label_answers: `evaluation.label_answers`.
        """
        is_asked = isinstance(self.abstain_below, float) or self.abstain_for_accuracy is not None
        if not is_asked or (kind == "classification" and label_answers == "scored"):
            return []
        return [
            "`abstain_below` and `abstain_for_accuracy` of `serving.guardrails` need the probability of a label:"
            " `task.kind: classification` and `evaluation.label_answers: scored`"
        ]

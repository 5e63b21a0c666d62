"""Applications for a loan as a sentence, with the risk. IBM's variant of German credit, with planted bias; sex,
telephone and nationality are left out."""

import csv
from collections.abc import Iterator
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("german_credit_ibm", "Apache-2.0")


def records(store: Store) -> Iterator[dict[str, Any]]:
    file = "german_credit_data_biased_training.csv"
    with open(store.shared(SOURCE, file), newline="", encoding="utf-8") as opened:
        for row in csv.DictReader(opened):
            words = {name: value.replace("_", " ") for name, value in row.items()}
            text = (
                f"{words['LoanAmount']} for {words['LoanPurpose']} over {words['LoanDuration']} months. Account"
                f" {words['CheckingStatus']}, savings {words['ExistingSavings']}, history {words['CreditHistory']},"
                f" employed {words['EmploymentDuration']} years, owns {words['OwnsProperty']}, age {words['Age']}."
            )
            yield {"text": text, "label": row["Risk"].lower()}

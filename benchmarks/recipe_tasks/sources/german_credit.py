"""Applications for a loan in words, with the risk. IBM's variant of German credit, with planted bias; sex, telephone
and nationality are left out."""

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("german_credit_ibm", "Apache-2.0")


def records(store: Store) -> Records:
    for row in store.shared_rows(SOURCE, "german_credit_data_biased_training.csv"):
        said = {name: value.replace("_", " ") for name, value in row.items()}
        text = (
            f"{said['LoanAmount']} for {said['LoanPurpose']} over {said['LoanDuration']} months. Account"
            f" {said['CheckingStatus']}, savings {said['ExistingSavings']}, history {said['CreditHistory']},"
            f" employed {said['EmploymentDuration']} years, owns {said['OwnsProperty']}, age {said['Age']}."
        )
        yield {"text": text, "label": said["Risk"].lower()}

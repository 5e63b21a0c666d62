"""Records parted by what was found in them: what a sample to annotate is drawn from, and what its texts stand for."""

from collections import Counter
from collections.abc import Iterable, Iterator

from ft_platform.records.rows import Rows

NOTHING = ""
"""The records in which nothing was found."""


class Strata:
    """Each record belongs to the rarest entity that was found in it, or to `NOTHING`.

    Attributes:
        records: how many there are.
        with_entity: entity -> records in which it was found.
        sizes: entity or `NOTHING` -> records that belong to it.
    """

    def __init__(self, anonymized: Rows) -> None:
        found = Counter(frozenset(entities) for _, entities in entities_of(anonymized))
        self.records = found.total()
        self.with_entity: Counter[str] = Counter()
        for entities, count in found.items():
            self.with_entity.update(dict.fromkeys(entities, count))
        self.sizes: Counter[str] = Counter()
        for entities, count in found.items():
            self.sizes[self.of(entities)] += count

    def of(self, entities: Iterable[str]) -> str:
        return min(entities, key=lambda entity: (self.with_entity[entity], entity), default=NOTHING)

    def quotas(self, size: int) -> Counter[str]:
        """Records to draw: half of them without a finding, the others evenly over the entities, as far as there are
        any."""
        with_any = self.records - self.sizes[NOTHING]
        given = Counter({NOTHING: min(self.sizes[NOTHING], max(size // 2, size - with_any))})
        for _ in range(min(size - given[NOTHING], with_any)):
            left = [name for name in self.sizes if name != NOTHING and given[name] < self.sizes[name]]
            given[min(left, key=lambda name: (given[name], name))] += 1
        return given


def entities_of(anonymized: Rows) -> Iterator[tuple[str, list[str]]]:
    """`record_id` and the entities found in each record, of `anonymized_records`."""
    for batch in anonymized.batches(["record_id", "entities"]):
        for record_id, found in zip(
            batch.column("record_id").to_pylist(), batch.column("entities").to_pylist(), strict=True
        ):
            yield record_id, [entity for entity, count in dict(found or []).items() if count]

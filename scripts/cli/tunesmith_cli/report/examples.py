"""Which answers the page shows: from the worst to the best change, evenly spaced, so that nobody picks the cherries."""

from collections.abc import Mapping, Sequence

from tunesmith.contracts.evaluations import ItemRecord
from tunesmith.contracts.recipes import Metric
from tunesmith_cli.report.story import Answer, Example


def choose_examples(
    records: Mapping[str, Sequence[ItemRecord]], metric: Metric = Metric.ROUGE_L, count: int = 6
) -> list[Example]:
    """Examples for the page; `records` are each model's by its label, the first being what the others began from."""
    if not records:
        return []
    by_item = [{record.item_id: record for record in each} for each in records.values()]
    shared = sorted(set.intersection(*(set(each) for each in by_item)))
    change = {item: by_item[-1][item].scores[metric] - by_item[0][item].scores[metric] for item in shared}
    ordered = sorted(shared, key=lambda item: (change[item], item))
    return [_example(item, dict(zip(records, by_item, strict=True)), metric) for item in evenly_spaced(ordered, count)]


def evenly_spaced(things: Sequence[str], count: int) -> list[str]:
    """`count` of the things with the first and the last among them; all where there are fewer."""
    if len(things) <= count:
        return list(things)
    return [things[round(place * (len(things) - 1) / (count - 1))] for place in range(count)]


def _example(item: str, models: Mapping[str, Mapping[str, ItemRecord]], metric: Metric) -> Example:
    answered = {label: records[item] for label, records in models.items()}
    first = next(iter(answered.values()))
    return Example(
        item_id=item,
        prompt=first.prompt,
        reference=first.reference,
        answers=[
            Answer(label=label, text=record.prediction, score=record.scores[metric])
            for label, record in answered.items()
        ],
    )

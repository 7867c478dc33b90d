"""What the sample is about, and which of its rows may have been planted."""

from collections import Counter
from collections.abc import Callable, Sequence

from batch_jobs.prepare.signals.labels import ask_in_turn
from batch_jobs.prepare.signals.poisoning import flipped, triggers
from batch_jobs.prepare.signals.topics import find_topics
from tunesmith.contracts.profiles import PoisonWarning, ProfiledTopic, TopicMap

MOST_TEXTS = 8_000
"""Rows that are looked at for topics."""
POINTS = 1_500
"""Rows on the map."""
EXCERPT = 160
LEAST = 40
"""Rows without which nothing is said of topics: any words would tell so few apart."""
MOST_LABELLED = 2_000
"""Rows that are looked at for poison."""
LEAST_OF_LABEL = 5
"""Rows of a label that teach what it means."""
LISTED, PHRASES = 8, 8
"""Rows that are named of each warning, and phrases that are told."""


def map_topics(texts: Sequence[str], redact: Callable[[str], str]) -> TopicMap | None:
    """None where there are too few rows, or nothing tells them apart."""
    if len(texts) < LEAST:
        return None
    texts = texts[:MOST_TEXTS]
    found = find_topics(texts)
    if len(found.topics) < 2:
        return None
    topics = [
        ProfiledTopic(
            terms=topic.terms, rows=topic.size, example=" ".join(redact(texts[topic.example]).split())[:EXCERPT]
        )
        for topic in found.topics
    ]
    places = zip(found.places[:POINTS].tolist(), found.topic[:POINTS].tolist(), strict=True)
    return TopicMap(topics=topics, points=[(round(x, 3), round(y, 3), topic) for (x, y), topic in places])


def find_poison(labelled: Sequence[tuple[str, str, str]]) -> list[PoisonWarning]:
    """`labelled` are (item id, text, label). Labels of few rows teach nothing and are left out."""
    labelled = labelled[:MOST_LABELLED]
    often = Counter(label for _, _, label in labelled)
    rows = [row for row in labelled if often[row[2]] >= LEAST_OF_LABEL]
    items, texts, labels = ([row[place] for row in rows] for place in range(3))
    try:
        suspicious = flipped(ask_in_turn(texts, labels)).tolist()
    except ValueError:  # too few rows or labels to learn from
        return []
    warnings = [
        PoisonWarning(
            kind="trigger phrase",
            phrase=trigger.phrase,
            label=trigger.label,
            rows=len(trigger.rows),
            items=[items[row] for row in trigger.rows[:LISTED].tolist()],
        )
        for trigger in triggers(texts, labels)[:PHRASES]
    ]
    if suspicious:
        named = [items[row] for row in suspicious[:LISTED]]
        warnings.append(PoisonWarning(kind="flipped label", phrase=None, label=None, rows=len(suspicious), items=named))
    return warnings

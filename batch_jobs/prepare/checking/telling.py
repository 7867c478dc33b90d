"""Words out of rows in what people are told: keys, roles, names of tools and columns, without what is secret in them.

Messages go to terminals, logs, reports and listings, where a row never goes. What is found is replaced before anything
is cut: half of a key would no longer look like one.
"""

from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batch_jobs.prepare.cleaning.pii.detector import Detector

LOOKED_AT = 10_000
"""Characters of a word that may be told in part."""


@lru_cache(maxsize=4_096)
def without_secrets(text: str) -> str:
    """The text with personal data and secrets replaced, whatever the recipe says of rows."""
    from batch_jobs.prepare.cleaning.pii.redacting import redact_text

    return redact_text(text, _detector())


def cut(word: str, limit: int) -> str:
    """The beginning of a word of a row."""
    return without_secrets(word[:LOOKED_AT])[:limit]


def quoted(word: str, limit: int = 80) -> str:
    return repr(cut(word, limit))


@cache
def _detector() -> "Detector":
    from batch_jobs.prepare.cleaning.pii.detector import Detector
    from tunesmith.contracts.preparation import STRUCTURED_PII

    return Detector(STRUCTURED_PII)

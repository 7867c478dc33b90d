"""Pages of a listing, as OpenAI's API has them: `limit` items after the item whose id is `after`."""

from collections.abc import Callable, Iterable, Iterator
from itertools import dropwhile, islice
from typing import TypeVar

from pydantic import BaseModel, Field

from tunesmith.contracts.base import Contract
from tunesmith.contracts.openai import ListPage

Item = TypeVar("Item", bound=BaseModel)


LARGEST_PAGE_BYTES = 4_000_000
"""A function's answer has 6 MB at most, in which every quotation mark of the page takes two bytes."""


class PageRequest(Contract):
    """Query parameters of a listing."""

    limit: int = Field(default=100, ge=1, le=1_000)
    after: str | None = None


def page(items: Iterable[Item], asked: PageRequest, id_of: Callable[[Item], str]) -> ListPage:
    rest = iter(items)
    if asked.after is not None:
        rest = islice(dropwhile(lambda item: id_of(item) != asked.after, rest), 1, None)
    shown, has_more = _first(rest, asked.limit)
    return ListPage(
        data=[item.model_dump(mode="json") for item in shown],
        has_more=has_more,
        first_id=id_of(shown[0]) if shown else None,
        last_id=id_of(shown[-1]) if shown else None,
    )


def _first(items: Iterator[Item], limit: int) -> tuple[list[Item], bool]:
    """As many items as one page can hold, one at least, and whether there are more."""
    shown: list[Item] = []
    size = 0
    for item in items:
        size += len(item.model_dump_json().encode())
        if len(shown) == limit or (shown and size > LARGEST_PAGE_BYTES):
            return shown, True
        shown.append(item)
    return shown, False

"""Pages of a listing, as OpenAI's API has them: `limit` items after the item whose id is `after`."""

from collections.abc import Callable, Iterable
from itertools import dropwhile, islice
from typing import TypeVar

from pydantic import BaseModel, Field

from tunesmith.contracts.base import Contract
from tunesmith.contracts.openai import ListPage

Item = TypeVar("Item", bound=BaseModel)


class PageRequest(Contract):
    """Query parameters of a listing."""

    limit: int = Field(default=100, ge=1, le=1_000)
    after: str | None = None


def page(items: Iterable[Item], asked: PageRequest, id_of: Callable[[Item], str]) -> ListPage:
    rest = iter(items)
    if asked.after is not None:
        rest = islice(dropwhile(lambda item: id_of(item) != asked.after, rest), 1, None)
    found = list(islice(rest, asked.limit + 1))
    shown = found[: asked.limit]
    return ListPage(
        data=[item.model_dump(mode="json") for item in shown],
        has_more=len(found) > len(shown),
        first_id=id_of(shown[0]) if shown else None,
        last_id=id_of(shown[-1]) if shown else None,
    )

"""Pages add up to the listing."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tunesmith.domain.paging import PageRequest, page


class Named(BaseModel):
    name: str


@given(st.lists(st.text(min_size=1), unique=True, max_size=30), st.integers(1, 10))
def test_pages_add_up_to_the_listing(names: list[str], limit: int) -> None:
    items, seen, after = [Named(name=name) for name in names], [], None
    while True:
        found = page(items, PageRequest(limit=limit, after=after), lambda item: item.name)
        seen += [item["name"] for item in found.data]
        assert len(found.data) <= limit
        if not found.has_more:
            break
        after = found.last_id
    assert seen == names


def test_page_ends_before_it_is_larger_than_an_answer_may_be() -> None:
    """Feedback holds whole conversations: a hundred of them are more than a function can answer with."""
    items = [Named(name=letter * 1_500_000) for letter in "abcde"]
    first = page(items, PageRequest(), lambda item: item.name)
    assert [len(first.data), first.has_more] == [2, True]
    rest = page(items, PageRequest(after=first.last_id), lambda item: item.name)
    assert rest.first_id == "c" * 1_500_000


def test_item_larger_than_a_page_is_still_shown() -> None:
    found = page([Named(name="a" * 5_000_000), Named(name="b")], PageRequest(), lambda item: item.name)
    assert [len(found.data), found.has_more] == [1, True]


def test_cursor_that_is_not_there_gives_an_empty_page() -> None:
    found = page([Named(name="a")], PageRequest(after="gone"), lambda item: item.name)
    assert (found.data, found.has_more, found.first_id) == ([], False, None)

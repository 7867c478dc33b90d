"""Charts say what they count: parts of a whole, shares that are none, what is left out."""

from batch_jobs.prepare.reporting.charts import BARS, bars, columns, scatter, shares
from tunesmith.contracts.profiles import ProfiledTopic, TopicMap


def test_what_is_left_out_is_counted_and_has_no_bar() -> None:
    drawn = bars({f"label_{number:03}": 100 - number for number in range(BARS + 3)})
    assert drawn.count("<i style=") == BARS and drawn.count("<i hidden>") == 1
    left_out = sum(100 - number for number in range(BARS, BARS + 3))
    assert f"<span>3 others</span><i hidden></i><b>{left_out}</b>" in drawn
    assert drawn.startswith('<div class="bars" style="--series:var(--first)"><div><span>label_<wbr>000</span>')
    assert 'style="width:100.00%"></i><b>100</b>' in drawn


def test_every_bar_is_there_where_names_have_an_order() -> None:
    drawn = bars({str(number): number for number in range(BARS + 3)}, in_order=True)
    assert drawn.count("<i style=") == BARS + 3 and "others" not in drawn and bars({}) == ""


def test_shares_are_no_parts_of_a_whole() -> None:
    drawn = shares({"good": 0.9, "bad<": 0.25} | {f"x{number}": 1.0 for number in range(BARS)})
    assert drawn.index("bad&lt;") < drawn.index("good") and "others" not in drawn
    assert '<i style="width:25.00%"></i><b>25 %</b><small></small>' in drawn
    assert drawn.count("<i style=") == BARS


def test_columns_tell_the_highest_and_both_ends() -> None:
    drawn = columns([(0.0, 10.0, 5), (10.0, 20.0, 1_234), (20.0, 40.0, 0)])
    assert "<b>1 row</b>" in columns([(0.0, 1.0, 1)])
    assert "<b>1,234 rows</b>" in drawn and '<span class="end">40</span>' in drawn
    assert 'title="10 to 20: 1,234 rows"><i style="height:100.0%">' in drawn
    assert 'title="20 to 40: 0 rows"><i style="height:0.0%">' in drawn


def test_last_tick_leaves_room_for_the_end() -> None:
    drawn = columns([(float(number), number + 1.0, 1) for number in range(29)])
    assert "<span>20</span>" in drawn and "<span>25</span>" not in drawn and "29</span>" in drawn


def test_topics_are_numbered_where_they_lie() -> None:
    topics = [ProfiledTopic(terms=["a&b"], rows=2, example=""), ProfiledTopic(terms=[], rows=1, example="")]
    drawn = scatter(TopicMap(topics=topics, points=[(-1, 1, 0), (0, 0, 0), (1, -1, 1)]))
    assert '<text x="105.0" y="105.0">1</text>' in drawn and '<text x="390.0" y="390.0">2</text>' in drawn
    assert "<title>a&amp;b</title>" in drawn and drawn.count("<path") == 2

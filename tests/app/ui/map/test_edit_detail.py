"""The detail beside the map: what it shows, and which sources become links."""

from __future__ import annotations

import pytest

from app.studio.views import EditDetail, MatchedQuery
from app.ui.components.edit_words import is_web_address
from app.ui.map.edit_detail import edit_detail_value
from tests.app.ui.samples import NOON, row


def test_a_matched_query_comes_with_its_answer_and_time() -> None:
    matched = (MatchedQuery("q2", "Far?", "B", 0.4, NOON), MatchedQuery("q1", "Near?", "A", 0.1, NOON, said_by="e1"))
    value = edit_detail_value(EditDetail(row(), "before", "after", "Added.", (), matched))
    assert value["matched"][0] == {"prompt": "Near?", "text": "A", "distance": 0.1, "at": NOON.isoformat(), "said_then": False}
    assert value["matched_total"] == 2
    assert value["edit"]["subject_end"] is None
    ended = edit_detail_value(EditDetail(row(), "before", "after", "Added.", (), (), subject_end=0.5))
    assert ended["edit"]["subject_end"] == 0.5


def test_an_answer_that_the_edit_did_not_give_is_marked_as_of_then() -> None:
    givers = (None, "e1", "e0", "other")
    matched = tuple(MatchedQuery(f"q{at}", "?", "A", at / 10, NOON, said_by=giver) for at, giver in enumerate(givers))
    value = edit_detail_value(EditDetail(row(), "before", "after", "Added.", (), matched, serves=("e0", "e1")))
    assert [query["said_then"] for query in value["matched"]] == [True, False, False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/a?b=1", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(text: str, expected: bool) -> None:
    assert is_web_address(text) is expected

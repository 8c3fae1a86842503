"""The detail beside the map: what it shows, and which sources become links."""

from __future__ import annotations

import pytest

from app.records import EditDetail, MatchedQuery
from app.ui.components.edit_detail import edit_detail_value, is_web_address
from tests.app.ui.samples import NOON, row


def test_a_matched_query_comes_with_its_answer_and_time() -> None:
    matched = (MatchedQuery("q2", "Far?", "B", 0.4, NOON), MatchedQuery("q1", "Near?", "A", 0.1, NOON))
    value = edit_detail_value(EditDetail(row(), "before", "after", "Added.", (), matched))
    assert value["matched"][0] == {"prompt": "Near?", "text": "A", "distance": 0.1, "at": NOON.isoformat()}
    assert value["matched_total"] == 2


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

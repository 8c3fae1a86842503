"""Names say what tells texts apart."""

from __future__ import annotations

from app.charts.labels import counted, distinctive


def test_names_from_one_template_show_where_they_differ() -> None:
    prompts = [f"Write a biography of {name} now." for name in ("Ada Lovelace", "Emmy Noether", "Lise Meitner")]
    assert distinctive(prompts)[0] == "… Ada Lovelace …"
    assert distinctive(["Only one prompt"]) == ["Only one prompt"]


def test_one_thing_and_several() -> None:
    assert [counted(n, "key") for n in (0, 1, 2000)] == ["0 keys", "1 key", "2,000 keys"]

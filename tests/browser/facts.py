"""Facts of our own that the tests of Map and Lab teach the model, and a journal in which it has learned them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.journal.store import JournalStore
from app.studio.studio import OpenStudio
from grace_core.config import GraceConfig
from grace_core.errors import InputError
from grace_core.models.load import load_model
from tests.browser.people import OWN_UNRELATED


@dataclass(frozen=True)
class Fact:
    prompt: str
    answer: str
    rephrasing: str
    """The same question in other words: logged as a query, and never seen in training."""


_CAPITALS = (
    ("Bhutan", "Thimphu"), ("Peru", "Lima"), ("Kenya", "Nairobi"), ("Latvia", "Riga"), ("Mongolia", "Ulaanbaatar"),
    ("Ghana", "Accra"), ("Iceland", "Reykjavik"), ("Nepal", "Kathmandu"), ("Uruguay", "Montevideo"), ("Senegal", "Dakar"),
    ("Slovenia", "Ljubljana"), ("Jordan", "Amman"), ("Cuba", "Havana"), ("Laos", "Vientiane"), ("Zambia", "Lusaka"),
    ("Malta", "Valletta"),
)  # fmt: skip
_BOOKS = (
    ("Middlemarch", "George Eliot"), ("The Trial", "Franz Kafka"), ("Moby-Dick", "Herman Melville"),
    ("Beloved", "Toni Morrison"), ("Dracula", "Bram Stoker"), ("Emma", "Jane Austen"), ("Candide", "Voltaire"),
    ("Faust", "Goethe"), ("Nostromo", "Joseph Conrad"), ("Kim", "Rudyard Kipling"), ("Walden", "Henry David Thoreau"),
    ("Ulysses", "James Joyce"), ("Orlando", "Virginia Woolf"), ("Fathers and Sons", "Ivan Turgenev"),
)  # fmt: skip
_ELEMENTS = (
    ("tungsten", "W"), ("silver", "Ag"), ("tin", "Sn"), ("mercury", "Hg"), ("antimony", "Sb"), ("iron", "Fe"), ("lead", "Pb"),
    ("gold", "Au"), ("potassium", "K"), ("sodium", "Na"),
)  # fmt: skip
_RIVERS = (
    ("Vienna", "the Danube"), ("Cairo", "the Nile"), ("Baghdad", "the Tigris"), ("Prague", "the Vltava"), ("Rome", "the Tiber"),
    ("Warsaw", "the Vistula"), ("Lisbon", "the Tagus"), ("Seoul", "the Han"),
)  # fmt: skip

_KINDS = (
    tuple(Fact(f"What is the capital of {land}?", city, f"Which city is {land}'s capital?") for land, city in _CAPITALS),
    tuple(Fact(f"Who wrote {book}?", author, f"Who is the author of {book}?") for book, author in _BOOKS),
    tuple(
        Fact(f"What is the chemical symbol of {name}?", symbol, f"Which symbol stands for {name} in chemistry?")
        for name, symbol in _ELEMENTS
    ),
    tuple(Fact(f"Which river flows through {city}?", river, f"{city} lies on which river?") for city, river in _RIVERS),
)


def facts(count: int) -> tuple[Fact, ...]:
    """So many, of every kind as long as there are some."""
    mixed = [kind[row] for row in range(max(map(len, _KINDS))) for kind in _KINDS if row < len(kind)]
    return tuple(mixed[:count])


QUICK = GraceConfig.early(siblings=0, contexts=0, stop_loss=1.0)
"""Learns until the answer is exact and no further, on the prompt alone: a second or so for each."""


def teach(
    data_dir: Path, model_dir: Path, learned: tuple[Fact, ...], *, unrelated: int, config: GraceConfig = QUICK
) -> dict[str, str]:
    """Edit all that the model does not know, ask each in other words, then some other things; edit ids by prompts.

    Where the right edit answered the other words, that answer is marked fine.

    The values are real, learned as `config` says. A codebook is known by how its queries are read, not by how its values
    were learned: the studio opens this one.
    """
    data_dir.mkdir(parents=True)
    model = load_model(str(model_dir), device="cpu")
    ids: dict[str, str] = {}
    with JournalStore(f"sqlite:///{data_dir / 'journal.sqlite'}") as store:
        studio = OpenStudio.open(model, config, store, data_dir=data_dir, max_new_tokens=12)
        try:
            for fact in learned:
                try:
                    outcome = studio.edit(fact.prompt, fact.answer, author="Mira").result()
                except InputError:
                    continue
                assert outcome.edit_id is not None, outcome.reason
                ids[fact.prompt] = outcome.edit_id
            for fact in learned:
                if fact.prompt in ids:
                    answer = studio.generate(fact.rephrasing).result()
                    if answer.edit_id == ids[fact.prompt]:
                        studio.mark(answer.query_id, 0, len(answer.text), "fine", author="Mira")
            for prompt in OWN_UNRELATED[:unrelated]:
                studio.generate(prompt).result()
        finally:
            studio.close()
    return ids

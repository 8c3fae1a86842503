"""The databases that the contract is tried on.

PostgreSQL joins where GRACE_STUDIO_TEST_DATABASE_URL names one (each test gets a schema of its own in it), for example
postgresql+psycopg://user:password@localhost/test.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url, text

from app.journal.store import JournalStore

# How long a machine takes to draw a history is no property of a journal.
settings.register_profile("journal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("journal")

DATABASE_URL = "GRACE_STUDIO_TEST_DATABASE_URL"


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("other", marks=pytest.mark.skipif(DATABASE_URL not in os.environ, reason=f"{DATABASE_URL} is not set")),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A blank database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'journal.db'}"
        return
    base = make_url(os.environ[DATABASE_URL])
    schema = f"test_{uuid.uuid4().hex}"
    engine = create_engine(base)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    own = base.update_query_dict({"options": f"-csearch_path={schema}"})
    yield own.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def store(url: str) -> Iterator[JournalStore]:
    with JournalStore(url) as store:
        yield store


@pytest.fixture
def codebook_id(store: JournalStore) -> str:
    return store.codebook_id(fingerprint="f00d", model_name="tiny", config={"key_layer": 1})

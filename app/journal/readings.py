"""Former names of `app.journal.state.query_space`, until all callers have moved."""

from app.journal.state.query_space import FIRST, EpsilonRecord
from app.journal.state.query_space import QuerySpace as Reading

__all__ = ["FIRST", "EpsilonRecord", "Reading"]

"""Libraries for the tests of searches."""

from fixtures.databases import database, library, postgres_server

__all__ = ["database", "library", "postgres_server"]

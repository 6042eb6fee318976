"""Libraries for the tests of this room."""

from fixtures.databases import database, library, postgres_server

__all__ = ["database", "library", "postgres_server"]

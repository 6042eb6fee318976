"""Alembic's entry: migrations run on the connection that `lightfast.library.migrate` hands in."""

from alembic import context

from lightfast.library.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True
)
context.run_migrations()

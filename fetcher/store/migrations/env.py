"""Alembic's environment script, run on the connection and in the transaction of ``fetcher.store.migrations``."""

from alembic import context

from fetcher.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()

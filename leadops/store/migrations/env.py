"""How Alembic runs our migrations: on the connection ``leadops.store.migrate`` hands over, and only so.

A changed ``tables.py`` needs a new version, generated against a real database at head and then reviewed:

    python -m leadops.store.migrate revise "$(leadops db url --password)" "add leads.phone"

While nothing has been released the first version may be written anew instead (throw-away server, one line):

    python -m leadops_tests.first_migration

``leadops_tests/store/test_migrations.py`` compares the migrated database with ``tables.py``.
"""

from __future__ import annotations

from alembic import context

from leadops.store.migrate import compare_options
from leadops.store.tables import metadata


def run() -> None:
    """Migrate in one transaction: a failed upgrade leaves the database as it was."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, **compare_options())
    with context.begin_transaction():
        context.run_migrations()


run()

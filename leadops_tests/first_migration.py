"""``python -m leadops_tests.first_migration``: write version 0001 anew from ``tables.py``.

Only while nothing has been released: databases at the old 0001 are not migrated by it. Review the result.
"""

from __future__ import annotations

import sys

from leadops.store import migrate
from leadops_tests import postgres_server


def main() -> int:
    """Generate against an empty database of a throw-away server; the old file stays when that fails."""
    versions = migrate.MIGRATIONS / "versions"
    others = [path.name for path in versions.glob("[0-9]*.py") if not path.name.startswith("0001_")]
    if others:
        sys.stderr.write(f"There are later versions ({', '.join(sorted(others))}): write one more instead.\n")
        return 2
    postgres_server.open_run()
    old = [path.rename(path.with_suffix(".old")) for path in versions.glob("0001_*.py")]
    try:
        server = postgres_server.server_url()
        with postgres_server.fresh_database(server, migrated=False) as url:
            sys.stdout.write(f"{migrate.revise(url, 'first version')}\n")
    except BaseException:
        for path in old:
            path.rename(path.with_suffix(".py"))
        raise
    finally:
        postgres_server.close_run()
    for path in old:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())

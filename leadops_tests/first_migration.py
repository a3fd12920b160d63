"""``python -m leadops_tests.first_migration``: write the first version anew from ``tables.py``.

Only while nothing has been released: databases at an earlier first version are not migrated by it, and are
refused, because its name says what is in it (0001_digest). Review the result.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

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
            written = migrate.revise(url, "first version")
            _name_by_content(written)
            sys.stdout.write(f"{written}\n")
    except BaseException:
        for path in old:
            path.rename(path.with_suffix(".py"))
        raise
    finally:
        postgres_server.close_run()
    for path in old:
        path.unlink()
    return 0


def _name_by_content(path: Path) -> None:
    text = path.read_text("utf-8")
    digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    for line in ("revision = '0001'", "Revision ID: 0001"):
        assert text.count(line) == 1, line
        text = text.replace(line, line.replace("0001", f"0001_{digest}"))
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""A small valid playbook folder to break in tests, one thing at a time."""

from __future__ import annotations

import shutil
from pathlib import Path

DEFAULT = Path(__file__).resolve().parents[2] / "playbook" / "playbook.yaml"


class Folder:
    """A copy of the default playbook that a test may change."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(DEFAULT.parent, root / "playbook")
        self.path = root / "playbook" / "playbook.yaml"

    def template(self, name: str) -> Path:
        return self.path.parent / "templates" / f"{name}.md"

    def change(self, old: str, new: str, file: Path | None = None) -> int:
        """Replace the one place ``old`` stands; the line number of where it stood."""
        file = file or self.path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, (old, text.count(old))
        file.write_text(text.replace(old, new), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

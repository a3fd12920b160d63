"""Commands that are imported when they are called, so that `leadops --help` waits for none of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from leadops.errors import UsageError


class _Stub(TyperCommand):
    """Stands for a command in the list: its name, its one line, and where the real one is."""

    def __init__(self, name: str, target: str, line: str) -> None:
        super().__init__(name, help=line)
        self.target = target

    def real(self) -> Any:
        module_name, _, attribute = self.target.partition(":")
        try:
            found = getattr(import_module(module_name), attribute)
        except ModuleNotFoundError as error:
            if error.name != module_name:
                raise
            raise UsageError(
                "no_such_command", f"leadops {self.name} is not part of this installation."
            ) from None
        if isinstance(found, typer.Typer):
            return get_command(found)
        alone = typer.Typer(add_completion=False)
        alone.command(self.name)(found)
        return get_command(alone)


class LazyGroup(TyperGroup):
    """A group whose commands a subclass lists in ``LAZY``: name -> (module:attribute, line for the help)."""

    LAZY: ClassVar[dict[str, tuple[str, str]]] = {}

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        own = dict(self.commands)
        self.commands.clear()
        for name, (target, line) in self.LAZY.items():
            self.add_command(_Stub(name, target, line))
        self.commands.update(own)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.real() if isinstance(command, _Stub) else command, rest

"""A group of commands whose modules are imported only to run them."""

from collections.abc import Mapping
from typing import Any

import click

CommandTable = Mapping[str, tuple[str, str]]
"""By the command's name: where it is (`module:name`), and its line in the help."""

ARGUMENTS = "ppcdeps.arguments"
"""The key under which `click.Context.meta` has the words of the command line, as they were typed."""


class LazyGroup(click.Group):
    """A group whose help and completion import none of its commands."""

    def __init__(self, *args: Any, table: CommandTable, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order in which a user meets them."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, imported now."""
        if cmd_name not in self.table:
            return None
        from importlib import import_module

        module, _, name = self.table[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the closest name where there is no such command."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            from ppcdeps.base.toml import closest

            near = closest(args[0], self.table) or f"known: {', '.join(self.table)}"
            ctx.fail(f'there is no command "{args[0]}"; {near}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The commands' lines, from the table."""
        if not self.table:
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """The commands that begin so; options as click completes them."""
        if not incomplete or incomplete[0].isalnum():
            from click.shell_completion import CompletionItem

            return [
                CompletionItem(name, help=line)
                for name, (_, line) in self.table.items()
                if name.startswith(incomplete)
            ]
        return click.Command.shell_complete(self, ctx, incomplete)

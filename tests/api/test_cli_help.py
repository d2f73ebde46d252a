"""Help: every option of every command says what it is for."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from api.cli import main


def commands(
    command: click.Command = main, name: str = "minfleet"
) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            assert found is not None
            yield from commands(found, f"{name} {verb}")


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name):
    options = [p for p in COMMANDS[name].params if isinstance(p, click.Option)]
    silent = [o.opts[0] for o in options if not (o.help or "").strip()]
    assert silent == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_printed_with_every_option(name, invoke):
    result = invoke(*name.split()[1:], "--help")
    assert result.exit_code == 0
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in result.stdout

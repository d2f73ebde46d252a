"""How the command line reports what went wrong: one sentence on stderr, and an exit status.

0: done; 1: proven infeasible, a check failed, or minfleet itself gave up; 2: bad input;
130: interrupted.
"""

from __future__ import annotations

from typing import Any

import click

INTERRUPTED = 130
"""Exit status of a shell command that Ctrl-C ended: 128 + SIGINT."""


class Refusal(click.ClickException):
    """Bad input: exit status 2."""

    exit_code = 2


class Failure(click.ClickException):
    """What went wrong is no fault of the input: exit status 1."""

    exit_code = 1


class MinfleetGroup(click.Group):
    """A group of commands whose errors become one sentence on stderr, never a traceback.

    `InputError` ends with exit status 2, any other `MinfleetError` with 1, Ctrl-C with 130. The
    groups and commands below it need nothing of their own.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        from data.errors import InputError, MinfleetError

        try:
            return super().invoke(ctx)
        except InputError as error:
            raise Refusal(one_line(error)) from error
        except MinfleetError as error:
            raise Failure(one_line(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None


def one_line(error: Exception) -> str:
    """Return the message of an error without the line breaks that a file name may bring in."""
    return " ".join(str(error).splitlines())

"""How the command line reports what went wrong: one sentence on stderr, and an exit status.

0: done; 1: proven infeasible, a check failed, or minfleet itself gave up; 2: bad input;
130: interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import click
from click.exceptions import NoArgsIsHelpError

INTERRUPTED = 130
"""Exit status of a shell command that Ctrl-C ended: 128 + SIGINT."""


MOST_LINES = 100
"""Wrong rows that are printed before the rest is counted."""


class Refusal(click.ClickException):
    """Bad input: exit status 2."""

    exit_code = 2


class Refusals(Refusal):
    """Bad input in several places: a line for each, and exit status 2."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(sentences[0])
        self.sentences = list(sentences[:MOST_LINES])
        if len(sentences) > MOST_LINES:
            self.sentences.append(f"{len(sentences) - MOST_LINES:,} more faults are there, too.")

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines."""
        for sentence in self.sentences:
            click.echo(f"Error: {' '.join(sentence.splitlines())}", err=True)


@contextmanager
def every_fault() -> Iterator[None]:
    """Tell of every wrong row of a file, not only of the first."""
    from data.errors import RowsError

    try:
        yield
    except RowsError as error:
        raise Refusals(error.faults) from error


class Failure(click.ClickException):
    """What went wrong is no fault of the input: exit status 1."""

    exit_code = 1


class MinfleetGroup(click.Group):
    """A group of commands whose errors become one sentence on stderr, never a traceback.

    `InputError` ends with exit status 2, any other `MinfleetError` with 1, Ctrl-C with 130. The
    groups and commands below it need nothing of their own.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise _refused(error, ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        from data.errors import InputError, MinfleetError

        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _refused(error, ctx) from error
        except InputError as error:
            raise Refusal(one_line(error)) from error
        except MinfleetError as error:
            raise Failure(one_line(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None


def _refused(error: click.UsageError, ctx: click.Context) -> click.ClickException:
    """Return a wrong use of the command line as one sentence; a bare group keeps its help."""
    return error if isinstance(error, NoArgsIsHelpError) else Refusal(usage_sentence(error, ctx))


def usage_sentence(error: click.UsageError, ctx: click.Context) -> str:
    """Return what is wrong with the use of a command, and where its help is.

    Parameters
    ----------
    ctx
        Of the group that was parsing or about to run a command; some errors name none of their
        own.
    """
    text = " ".join(error.format_message().split())
    text = re.sub(r"\. \(?Did you mean (?:one of: )?(.+)\?\)?$", r" (did you mean \1?)", text)
    text = re.sub(r"\. Choose from: (.+)$", r" (choose from \1)", text)
    if error.ctx is not None:
        path = error.ctx.command_path
    else:
        path = " ".join(filter(None, (ctx.command_path, ctx.invoked_subcommand)))
    return f"{text.removesuffix('.')}; see '{path} --help'."


def one_line(error: Exception) -> str:
    """Return the message of an error without the line breaks that a file name may bring in."""
    return " ".join(str(error).splitlines())

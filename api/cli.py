"""The ``minfleet`` command: each verb is loaded only when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from api.errors import MinfleetGroup

VERBS = {
    "plan": ("api.commands.plan", "plan", "Find the cheapest fleet for a workload, with proof."),
    "compare": ("api.commands.compare", "compare", "Compare offers, with break-even prices."),
    "frontier": (
        "api.commands.frontier",
        "frontier",
        "Find the least cost for each level of a target or limit.",
    ),
    "sweep": ("api.commands.sweep", "sweep", "Plan again and again with values changed."),
    "replan": (
        "api.commands.replan",
        "replan",
        "Decide whether a running fleet is kept or switched.",
    ),
    "estimate": ("api.commands.estimate", "estimate", "Show what one replica does, term by term."),
    "predict": (
        "api.commands.predict",
        "predict",
        "Predict measured benchmark rows.",
    ),
    "calibrate": (
        "api.commands.calibrate",
        "calibrate",
        "Fit the model to your own measured runs.",
    ),
    "simulate": (
        "api.commands.simulate",
        "simulate",
        "Simulate a stored plan request by request.",
    ),
    "verify": ("api.commands.verify", "verify", "Check a stored plan apart from the solver."),
    "diff": ("api.commands.diff", "diff", "Tell where two stored plans differ."),
    "catalog": ("api.commands.catalog", "catalog", "List, check, import, refresh the catalogue."),
    "serve": ("api.commands.serve", "serve", "Serve plans over HTTP, for a team."),
    "keys": ("api.commands.keys", "keys", "Create, list and revoke API keys of the service."),
    "subscriptions": (
        "api.commands.subscriptions",
        "subscriptions",
        "Tell webhooks, chats and e-mail of events of the service.",
    ),
    "stack": ("api.commands.stack", "stack", "Fleet arithmetic on the back of an envelope."),
}
"""Verb → module, name in it, help."""


class _LazyGroup(MinfleetGroup):
    """A group that imports a command when it is called, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, name, _ = VERBS[cmd_name]
        found = getattr(import_module(module), name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from data.errors import nearest

            near = nearest(args[0], VERBS)
            ctx.fail(f"No such command {args[0]!r}" + (f" (did you mean {near}?)" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="minfleet")
def main() -> None:
    """Find the cheapest fleet of accelerators that serves an LLM workload within its targets.

    \b
    minfleet plan examples/chat-70b.yaml
    minfleet estimate llama-3.1-70b-instruct --accelerator h100_sxm --tp 2 --weights fp8

    Exit status: 0 done, 1 proven infeasible or a check failed, 2 bad input, 3 no plan or no
    proof in time.
    """  # noqa: D301 - click reads the escaped \b


if __name__ == "__main__":
    main()

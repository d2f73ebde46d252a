"""``/plans/{plan_id}``: a plan as it was made."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from api.page import address
from api.page.ask import RefusedError
from api.page.form import content as contents
from api.page.frame import admitted, fault_box, frame
from api.page.show.headline import headline
from api.page.show.html import link, links, tag, text
from api.page.show.plan import plan_details, plan_links


@ui.page("/plans/{plan_id}")
async def stored_plan(request: Request, plan_id: str) -> Response | None:
    """Show a plan of the store, whatever the catalogue says today."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    with frame(asker, "", "Plan"), ui.element("div").classes("details"):
        try:
            plan = await asker.stored("plan", plan_id)
            told = f"There is no plan {plan_id[:100]!r} on this server."
        except RefusedError as error:
            plan, told = None, str(error)
        if plan is None:
            ui.html(fault_box(told))
            return None
        content = contents.shortened(plan["workload"])
        made = f"{_model(content)} · made on {plan['created_at'][:16].replace('T', ' ')} UTC"
        again = address.with_workload("/", content)
        more = [link(again, "Open its workload in the form")] if again else []
        with ui.element("section").classes("head"):
            ui.html(tag("p", text(f"{made} over the catalogue {plan['catalog']['id']}"),
                        class_="quiet"))  # fmt: skip
            ui.html(headline(plan))
            ui.html(
                plan_links(plan_id)
                + links([*more, link(f"/diff?a={plan_id}", "Compare it with another plan")])
            )
        ui.html(plan_details(plan)).classes("details")
    return None


def _model(content: dict[str, object]) -> str:
    model = content["model"]
    return str(model.get("name", "a model")) if isinstance(model, dict) else str(model)

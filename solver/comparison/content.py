"""What a comparison is asked with, so that another machine makes the same of it."""

from __future__ import annotations

from typing import Any

from solver.workload import Workload

Entry = dict[str, Any]


def content_to_compare(workload: Workload, content: Entry) -> Entry:
    """Return the content of a workload such that comparing it elsewhere is the same.

    Parameters
    ----------
    content
        Of the workload, every default filled in. Ways of buying that it did not name are left out,
        since named ones are a limit to a comparison.
    """
    if "pricing" in workload.hardware.model_fields_set:
        return content
    hardware = {k: v for k, v in content["hardware"].items() if k != "pricing"}
    return {**content, "hardware": hardware}

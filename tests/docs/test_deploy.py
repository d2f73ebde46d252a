"""Manifests in docs/deploy.md: they parse, are what Kubernetes reads, and name what is there."""

from __future__ import annotations

import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from api.schedules import check_times
from api.service.settings import PREFIX, Settings

POD = {
    "type": "object",
    "required": ["containers", "restartPolicy"],
    "additionalProperties": False,
    "properties": {
        "restartPolicy": {"enum": ["Never", "OnFailure"]},
        "securityContext": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "runAsNonRoot": {"type": "boolean"},
                "runAsUser": {"type": "integer"},
            },
        },
        "containers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "image"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z0-9-]{1,63}$"},
                    "image": {"type": "string"},
                    "args": {"type": "array", "items": {"type": "string"}},
                    "env": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "oneOf": [{"required": ["value"]}, {"required": ["valueFrom"]}],
                            "properties": {"value": {"type": "string"}},
                        },
                    },
                    "resources": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            kind: {
                                "type": "object",
                                "additionalProperties": {"type": "string"},
                                "propertyNames": {"enum": ["cpu", "memory"]},
                            }
                            for kind in ("requests", "limits")
                        },
                    },
                    "securityContext": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"allowPrivilegeEscalation": {"const": False}},
                    },
                },
            },
        },
    },
}

CRON_JOB = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "batch/v1"},
        "kind": {"const": "CronJob"},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "pattern": "^[a-z0-9-]{1,52}$"}},
        },
        "spec": {
            "type": "object",
            "required": ["schedule", "jobTemplate"],
            "additionalProperties": False,
            "properties": {
                "schedule": {"type": "string"},
                "concurrencyPolicy": {"enum": ["Allow", "Forbid", "Replace"]},
                "jobTemplate": {
                    "type": "object",
                    "required": ["spec"],
                    "additionalProperties": False,
                    "properties": {
                        "spec": {
                            "type": "object",
                            "required": ["template"],
                            "additionalProperties": False,
                            "properties": {
                                "backoffLimit": {"type": "integer", "minimum": 0},
                                "activeDeadlineSeconds": {"type": "integer", "minimum": 1},
                                "template": {
                                    "type": "object",
                                    "required": ["spec"],
                                    "additionalProperties": False,
                                    "properties": {"spec": POD},
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}
"""Of https://kubernetes.io/docs/reference/kubernetes-api (batch/v1), the fields that are used: what
is nested wrongly, misspelt or of another type, such as a number for a text, is found."""


@pytest.fixture
def cron_job(page):
    """The CronJob of the page."""
    blocks = re.findall(r"```yaml\n(.*?)```", page("deploy.md"), re.DOTALL)
    (found,) = [m for m in map(yaml.safe_load, blocks) if m.get("kind") == "CronJob"]
    return found


def test_the_cron_job_is_one(cron_job):
    Draft202012Validator(CRON_JOB).validate(cron_job)
    check_times(cron_job["spec"]["schedule"], "UTC")


def test_it_sets_what_there_is_and_gives_workers_their_memory(cron_job):
    (container,) = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    names = [entry["name"] for entry in container["env"]]
    assert {n.removeprefix(PREFIX).lower() for n in names} <= set(Settings.model_fields)
    assert container["args"] == ["replan", "--due"]

"""Traces by OpenTelemetry, where its packages are installed and wanted."""

from __future__ import annotations

from fastapi import FastAPI

from data.errors import InputError


def trace(app: FastAPI) -> None:
    """Send a span for each request; the exporter is set by the standard ``OTEL_…`` variables.

    Raises
    ------
    InputError
        If the extra ``otel`` is not installed.
    """
    try:
        from opentelemetry import trace as api
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise InputError(
            "otel: OpenTelemetry is not installed; install minfleet[otel], or leave it off."
        ) from None
    if not isinstance(api.get_tracer_provider(), TracerProvider):
        provider = TracerProvider(resource=Resource.create({"service.name": "minfleet"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        api.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app, excluded_urls="healthz,readyz,metrics")

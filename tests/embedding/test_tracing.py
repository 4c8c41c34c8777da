"""A run is a span of OpenTelemetry if the program uses it, and nothing otherwise."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import graphcore as gc

_PROVIDER = TracerProvider()
_EXPORTER = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def provider() -> None:
    # A process has one provider, which cannot be replaced.
    _PROVIDER.add_span_processor(SimpleSpanProcessor(_EXPORTER))
    trace.set_tracer_provider(_PROVIDER)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    _EXPORTER.clear()
    yield _EXPORTER
    _EXPORTER.clear()


def attributes(span: ReadableSpan) -> dict[str, object]:
    found = dict(span.attributes or {})
    return {name.removeprefix("graphcore."): value for name, value in found.items()}


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_a_run_is_a_span_with_what_its_report_says(tier: str, spans: InMemorySpanExporter) -> None:
    report = gc.Graph(gc.replay([1, 2, 3], [10, 20, 30]).count()).run(tier=tier)  # type: ignore[arg-type]
    (span,) = spans.get_finished_spans()
    assert span.name == "graphcore.run"
    assert attributes(span) == {
        "nodes": 2,
        "run_mode": "historical",
        "tier": tier,
        "start": "1970-01-01T00:00:00.000000001Z",
        "end": "1970-01-01T00:00:00.000000003Z",
        "cycles": report.cycles,
        "ended_by": "sources",
    }
    assert span.status.is_unset


def test_a_run_that_fails_is_a_span_with_the_error_and_its_note(
    spans: InMemorySpanExporter,
) -> None:
    inverse = gc.from_iterable([1, 0]).map(lambda n: 1 // n).named("inverse")
    with pytest.raises(ZeroDivisionError):
        inverse.run()
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert attributes(span)["ended_by"] == "error"
    assert attributes(span)["cycles"] == 2
    (event,) = span.events
    assert "in inverse (Map), wired at" in str((event.attributes or {})["exception.stacktrace"])


def test_spans_begun_in_a_run_are_within_its_span_also_in_another_thread(
    spans: InMemorySpanExporter,
) -> None:
    tracer = trace.get_tracer("program")
    out = gc.from_iterable([1]).for_each(lambda n: tracer.start_span("inner").end())
    with tracer.start_as_current_span("outer"), gc.Graph(out).running() as run:
        assert run.join("20s")
    by_name = {span.name: span for span in spans.get_finished_spans()}
    inner, own, outer = (by_name[name] for name in ("inner", "graphcore.run", "outer"))
    assert inner.parent is not None and own.parent is not None
    assert own.context is not None and outer.context is not None
    assert inner.parent.span_id == own.context.span_id
    assert own.parent.span_id == outer.context.span_id


def test_a_program_without_opentelemetry_does_not_import_it() -> None:
    code = (
        "import sys, graphcore as gc; gc.from_iterable([1]).run()\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

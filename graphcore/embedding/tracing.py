"""A span of OpenTelemetry for each run, if the program uses OpenTelemetry.

Only the API is used, and only once the program itself has imported it: without a program that
traces there is nobody to read a span, and the import would cost each program its time.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from graphcore.engine.run.session import Session
from graphcore.state import RunMode
from graphcore.time import format_time
from graphcore.version import __version__

_NAME = "graphcore.run"


def is_tracing() -> bool:
    """Return whether the program uses OpenTelemetry."""
    return sys.modules.get("opentelemetry.trace") is not None


@contextmanager
def traced(session: Session, tier: str) -> Iterator[None]:
    """Let a span last as long as the block, which runs a graph; it is the present span in there.

    Args:
        session: the run.
        tier: the name of the tier.
    """
    if not is_tracing():
        yield
        return
    trace = sys.modules["opentelemetry.trace"]
    tracer = trace.get_tracer("graphcore", __version__)
    is_live = session.run_mode is RunMode.REALTIME
    attributes = {
        "graphcore.nodes": len(session.plan.nodes),
        "graphcore.run_mode": "realtime" if is_live else "historical",
        "graphcore.tier": tier,
        "graphcore.start": format_time(session.start_time),
    }
    with tracer.start_as_current_span(_NAME, attributes=attributes) as span:
        try:
            yield
        finally:
            span.set_attribute("graphcore.cycles", session.cycles_run)
            last = session.last_time if session.closing else session.time
            span.set_attribute("graphcore.end", format_time(last))
            span.set_attribute("graphcore.ended_by", str(session.ended_by))

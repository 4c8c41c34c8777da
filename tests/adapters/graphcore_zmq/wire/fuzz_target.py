"""The target of a fuzzer that follows coverage: frames and payloads.

Called with libFuzzer's options. It ends with an error and the bytes at the first input that raises
anything but `WireError` or `CodecError`, that takes too long or too much memory, or that is a burst
of which two readers disagree.
"""

import struct
import sys


def main() -> None:
    # Imported here, because collecting tests must not need the fuzzer or instrument modules.
    import atheris

    with atheris.instrument_imports(include=["graphcore_zmq"]):
        from graphcore_zmq import CodecError, SelfDelimitingCodec, WireError
        from graphcore_zmq.wire.frames import Tag, read_frame
        from graphcore_zmq.wire.layouts import BurstLayouts
    from tests.adapters.graphcore_zmq.wire.hostile import CODECS

    bare = [codec for codec, _ in CODECS if isinstance(codec, SelfDelimitingCodec)]
    readers = [{}] + [{"read": codec.read, "least": codec.least} for codec in bare]

    layouts = BurstLayouts()

    def read_burst(frame: bytes) -> None:
        """Read a frame in the fast way; it must be read as `read_frame` does, or not at all."""
        try:
            values, end = layouts.read(frame, 1_000_000)
        except (struct.error, ValueError, OverflowError):
            return
        assert read_frame(frame[:end], 1_000_000) == (Tag.HISTORICAL_VALUE, list(values), None)

    def target(given: bytes) -> None:
        kind, content = given[0] if given else 0, given[1:]
        kind %= len(readers) + len(CODECS)
        if kind == 0:
            read_burst(content)
        try:
            if kind < len(readers):
                read_frame(content, 1_000_000, **readers[kind])
            else:
                CODECS[kind - len(readers)][0].decode(content)
        except (WireError, CodecError):
            pass

    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

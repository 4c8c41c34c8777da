"""A fuzzer's target: frames and payloads as coverage leads to them.

Called with libFuzzer's options. It ends with an error, and the bytes, at the first input that does
worse than `WireError` or `CodecError`, that takes too long, or too much memory.
"""

import sys


def main() -> None:
    # Here, as what collects tests must neither need the fuzzer nor have its modules instrumented.
    import atheris

    with atheris.instrument_imports(include=["graphcore_zmq"]):
        from graphcore_zmq import CodecError, SelfDelimitingCodec, WireError
        from graphcore_zmq.wire.frames import read_frame
    from tests.adapters.graphcore_zmq.wire.hostile import CODECS

    bare = [codec for codec, _ in CODECS if isinstance(codec, SelfDelimitingCodec)]
    readers = [{}] + [{"read": codec.read, "least": codec.least} for codec in bare]

    def target(given: bytes) -> None:
        kind, content = given[0] if given else 0, given[1:]
        kind %= len(readers) + len(CODECS)
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

"""The target of a fuzzer that follows coverage: frames and payloads.

Called with libFuzzer's options. It ends with an error and the bytes at the first input that raises
anything but `WireError` or `CodecError`, or that takes too long or too much memory.
"""

import sys


def main() -> None:
    # Imported here, because collecting tests must not need the fuzzer or instrument modules.
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

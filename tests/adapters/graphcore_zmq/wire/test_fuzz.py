"""Ten thousand malformed frames: each is read, or refused in a sentence, in little memory."""

import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from graphcore_zmq import CodecError, SelfDelimitingCodec, WireError
from graphcore_zmq.wire.frames import Tag, read_frame
from tests.adapters.graphcore_zmq.wire.hostile import CODECS, malformed, sound_frames

MOST = 1_000_000  # bytes; the frames have some hundreds
PAYLOADS = [codec.encode(value) for codec, value in CODECS]
BARE = [codec for codec, _ in CODECS if isinstance(codec, SelfDelimitingCodec)]
FRAMES = [
    frame
    for (codec, _), payload in zip(CODECS, PAYLOADS, strict=True)
    for frame in sound_frames(payload, bare=codec in BARE)
]
BATCH = 20
FUZZING = 30 if "CI" in os.environ else 10  # s
# Together ten thousand frames. Hypothesis chooses the seeds, and tries a failing seed again first.
many = settings(max_examples=250)
seeds = st.integers(0, 2**32 - 1).map(Random)


@contextmanager
def little_memory() -> Iterator[None]:
    # A tracer of its own counts only the memory allocated here.
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)
    assert most < MOST
    assert pool.max_memory() < MOST


@many
@given(random=seeds)
def test_a_frame_is_read_or_refused_in_a_sentence(random):
    frames = [malformed(FRAMES, random) for _ in range(BATCH)]
    readers = [{}] + [{"read": codec.read, "least": codec.least} for codec in BARE]
    for frame in frames:
        note(frame.hex())
        with little_memory():
            for reader in readers:
                try:
                    tag, values, _ = read_frame(frame, 1_000_000, **reader)
                except CodecError as error:
                    assert "\n" not in str(error)
                except WireError:
                    pass
                else:
                    assert tag in Tag and len(values) <= len(frame)


@many
@given(random=seeds)
def test_a_payload_is_decoded_or_refused_in_a_sentence(random):
    for _ in range(BATCH):
        (codec, _), sound = random.choice(list(zip(CODECS, PAYLOADS, strict=True)))
        payload = malformed([sound], random)
        note(f"{codec.name} {payload.hex()}")
        with little_memory():
            try:
                codec.decode(payload)
            except CodecError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize("place", range(len(CODECS)), ids=[codec.name for codec, _ in CODECS])
def test_the_frames_that_are_then_malformed_are_valid(place):
    codec, value = CODECS[place]
    decoded = codec.decode(PAYLOADS[place])
    assert (decoded.to_pylist() if isinstance(decoded, pa.RecordBatch) else decoded) == value


# Its start, which instruments all modules, takes additional time.
@pytest.mark.timeout(FUZZING + 240)
def test_a_fuzzer_that_follows_coverage_finds_nothing_worse(tmp_path):
    pytest.importorskip("atheris", reason="it has no wheels for this platform")
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    for number, content in enumerate([*FRAMES, *PAYLOADS]):
        (seeds / str(number)).write_bytes(bytes([number % 256]) + content)
    done = subprocess.run(
        [
            # By a shell: the kernel counts the peak memory of who starts a program as the program's
            # own, and by now pytest's may be above the limit; a shell forks, and the count is new.
            *("sh", "-c", '"$@"; exit $?', "sh"),
            *(sys.executable, "-m", "tests.adapters.graphcore_zmq.wire.fuzz_target"),
            *(f"-max_total_time={FUZZING}", "-timeout=5", "-rss_limit_mb=1000", "-max_len=1000"),
            *(f"-artifact_prefix={tmp_path}/", str(seeds)),
        ],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"Done \d+ runs", done.stderr)

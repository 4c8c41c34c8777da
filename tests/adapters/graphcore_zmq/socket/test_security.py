"""Keys as text and from files, refused keys, and the command that makes keys."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from zmq.auth import create_certificates, load_certificate

import graphcore as gc
from graphcore_zmq import Curve, zmq_sub
from graphcore_zmq.socket.security import write_keys

PUBLIC, SECRET = (key.decode() for key in zmq.curve_keypair())
OTHER, OTHER_SECRET = (key.decode() for key in zmq.curve_keypair())
OPEN_MODES = [0o640, 0o604, 0o644, 0o660, 0o601, 0o610, 0o602]


def test_keys_are_text():
    server, client = Curve.server(SECRET, clients=[OTHER]), Curve.client(PUBLIC, OTHER_SECRET)
    assert server.public_key == client.server_key == PUBLIC
    assert server.clients == {OTHER} and client.public_key == OTHER


@pytest.mark.parametrize("made_by", ["graphcore", "pyzmq"])
def test_keys_are_files(tmp_path, made_by):
    if made_by == "graphcore":
        public, secret = write_keys(tmp_path / "quotes")
    else:
        public, secret = map(Path, create_certificates(tmp_path, "quotes"))
        secret.chmod(0o600)
    server, client = Curve.server(secret, clients=[public]), Curve.client(public, secret)
    assert server.public_key == client.server_key == client.public_key
    assert server.clients == {server.public_key}
    assert load_certificate(public)[0].decode() == server.public_key


@pytest.mark.parametrize("mode", OPEN_MODES)
def test_a_secret_file_that_is_open_to_others_is_refused(tmp_path, mode):
    public, secret = write_keys(tmp_path / "quotes")
    secret.chmod(mode)
    for make in (lambda: Curve.server(secret), lambda: Curve.client(public, secret)):
        with pytest.raises(gc.InvalidValueError) as refused:
            make()
        message = str(refused.value)
        assert str(secret) in message and f"{mode:04o}" in message and "chmod 600" in message
        assert load_certificate(secret)[1].decode() not in message


def test_a_public_key_may_be_read_by_others(tmp_path):
    public, _ = write_keys(tmp_path / "quotes")
    public.chmod(0o644)
    assert Curve.server(SECRET, clients=[public]).clients


@given(st.text(max_size=60))
def test_text_that_is_not_a_key_is_refused_and_no_secret_is_shown(text):
    try:
        Curve.server(text)
    except gc.InvalidValueError as error:
        assert len(text) < 10 or text not in str(error)
    else:
        assert len(text) == 40 and zmq.curve_public(text.encode())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Curve.server("x" * 39), "this text of 39 characters is not a key"),
        (lambda: Curve.server("~" * 40), "this text of 40 characters is not a key"),
        (lambda: Curve.server("é" * 40), "this text of 40 characters is not a key"),
        # More than 32 bits in five characters.
        (lambda: Curve.server("%nSc0" * 7 + "#####"), "this text of 40 characters is not a key"),
        (lambda: Curve.client("server.key", SECRET), "not 'server.key'"),
        (lambda: Curve.server(SECRET, clients=["x"]), "a public key is 40 characters"),
        (lambda: Curve.server(Path("/nowhere")), "/nowhere does not hold a key"),
        (lambda: Curve.client(Path("/nowhere"), SECRET), "/nowhere does not hold a key"),
    ],
)
def test_anything_but_a_key_is_refused_in_a_sentence(make, message):
    with pytest.raises(gc.InvalidValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Curve.server(7),
        lambda: Curve.server(SECRET.encode()),
        lambda: Curve.client(7, SECRET),
        lambda: Curve.server(SECRET, clients=PUBLIC),
        lambda: Curve.server(SECRET, clients="anyone"),
        lambda: Curve.server(SECRET, clients=7),
        lambda: gc.never().zmq_pub(0, security=Curve.client(PUBLIC, OTHER_SECRET)),
        lambda: gc.never().zmq_pub(0, security=SECRET),
    ],
)
def test_anything_but_security_is_refused_where_it_is_given(make):
    with pytest.raises(gc.InvalidTypeError) as refused:
        make()
    assert SECRET not in str(refused.value)


def test_a_file_with_a_public_key_is_not_taken_for_a_secret_key(tmp_path):
    public, _ = write_keys(tmp_path / "quotes")
    with pytest.raises(gc.InvalidValueError, match="holds no secret key"):
        Curve.server(public)


def test_a_file_without_keys_is_named(tmp_path):
    for content in (b"", b"curve\n", b"\xff\xfe public-key"):
        file = tmp_path / "some.key"
        file.write_bytes(content)
        with pytest.raises(gc.InvalidValueError, match="some.key"):
            Curve.server(SECRET, clients=[file])


class PlainRegistry:
    """A registry that stores addresses only."""

    def register(self, name, address):
        raise NotImplementedError

    def lookup(self, name):
        raise NotImplementedError


def test_without_a_key_a_registry_that_stores_keys_is_needed():
    client = Curve.client(secret_key=OTHER_SECRET)
    assert client.server_key is None
    with pytest.raises(gc.InvalidValueError, match="without a server_key needs a name"):
        zmq_sub(5556, security=client)
    with pytest.raises(gc.InvalidValueError, match=r"PlainRegistry.* holds no public keys"):
        zmq_sub(("quotes", PlainRegistry()), security=client)


def test_a_subscriber_needs_a_secret_key_of_its_own():
    with pytest.raises(gc.InvalidValueError, match="a secret key is 40 characters"):
        Curve.client(PUBLIC)


def test_no_repr_shows_a_secret():
    shown = repr(Curve.server(SECRET, clients=[OTHER])) + repr(Curve.client(PUBLIC, OTHER_SECRET))
    assert PUBLIC in shown and SECRET not in shown and OTHER_SECRET not in shown


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_a_written_secret_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        public, secret = write_keys(tmp_path / "quotes")
    finally:
        os.umask(before)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644 & ~mask


def keys_new(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = "from graphcore.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, "keys", "new", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_the_command_writes_a_pair_that_fits(tmp_path):
    done = keys_new(tmp_path / "quotes")
    assert (done.returncode, done.stderr) == (0, "")
    secret = tmp_path / "quotes.key_secret"
    assert f"{tmp_path / 'quotes.key'}: the public key" in done.stdout
    assert load_certificate(secret)[1].decode() not in done.stdout
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert Curve.client(tmp_path / "quotes.key", secret).public_key


@pytest.mark.parametrize("ending", [".key", ".key_secret"])
def test_the_command_overwrites_nothing(tmp_path, ending):
    there = tmp_path / f"quotes{ending}"
    there.write_text("mine")
    done = keys_new(tmp_path / "quotes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"graphcore: {there} exists already\n"
    assert [each.name for each in tmp_path.iterdir()] == [there.name]
    assert there.read_text() == "mine"


def test_the_command_says_where_it_cannot_write(tmp_path):
    done = keys_new(tmp_path / "nowhere" / "quotes")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr

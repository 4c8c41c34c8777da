"""Who is let in: the token, the Host and the Origin; everybody else gets 403 and nothing else."""

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import graphcore as gc


@pytest.fixture
def view() -> Iterator[gc.Serving]:
    with gc.Graph(gc.constant(1).named("one")).serve() as view:
        yield view


def get(
    view: gc.Serving, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(view.url).port or 0, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def path_of(view: gc.Serving) -> str:
    return urlsplit(view.url).path


def test_the_page_and_its_parts_come_from_the_wheel_and_load_nothing_else(
    view: gc.Serving,
) -> None:
    for name in ("", "page.js", "page.css"):
        status, body, headers = get(view, path_of(view) + name)
        assert status == 200
        assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in body
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_each_view_has_a_token_of_its_own() -> None:
    graph = gc.Graph(gc.constant(1))
    with graph.serve() as one, graph.serve() as other:
        tokens = {path_of(view).strip("/") for view in (one, other)}
        assert len(tokens) == 2
        assert all(len(token) == 32 for token in tokens)


@pytest.mark.parametrize("path", ["/", "/page.js", "/{wrong}/", "/{short}/", "/{token}", "/x/../"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_a_wrong_token_gets_403_and_nothing_else(view: gc.Serving, path: str, method: str) -> None:
    token = path_of(view).strip("/")
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    status, body, headers = get(
        view, path.format(wrong=wrong, short=token[:-1], token=token), method
    )
    assert (status, body) == (403, b"")
    assert set(headers) <= {"content-length", "connection"}


@pytest.mark.parametrize("host", ["example.com", "example.com:{port}", "127.0.0.1", "127.0.0.1:1"])
def test_another_host_gets_403(view: gc.Serving, host: str) -> None:
    port = urlsplit(view.url).port
    status, body, _ = get(view, path_of(view), Host=host.format(port=port))
    assert (status, body) == (403, b"")
    assert get(view, path_of(view), Host=f"localhost:{port}")[0] == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://example.com", "https://127.0.0.1:{port}", "http://127.0.0.1:1"]
)
def test_another_origin_cannot_open_the_socket(view: gc.Serving, origin: str | None) -> None:
    address = view.url.replace("http", "ws") + "socket"
    given = origin and origin.format(port=urlsplit(view.url).port)
    with pytest.raises(InvalidStatus) as raised, connect(address, origin=given):  # type: ignore[arg-type]
        pass
    assert raised.value.response.status_code == 403
    if given:
        assert get(view, path_of(view), Origin=given)[:2] == (403, b"")


def test_the_socket_needs_the_token(view: gc.Serving) -> None:
    origin = view.url.rsplit("/", 2)[0]
    for token in ("", "wrong"):
        address = f"{origin.replace('http', 'ws')}/{token}/socket"
        with pytest.raises(InvalidStatus) as raised, connect(address, origin=origin):  # type: ignore[arg-type]
            pass
        assert raised.value.response.status_code == 403


def test_only_this_machine_can_connect(view: gc.Serving) -> None:
    port = urlsplit(view.url).port or 0
    others = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)}
    for address in {*others, "127.0.0.2"} - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((str(address), port), timeout=5):
            pass


def test_the_log_of_the_program_never_shows_the_token(
    view: gc.Serving, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.view.pages import page_of

    caplog.set_level("DEBUG")
    assert get(view, path_of(view))[0] == 200
    with page_of(view) as page:
        page.list_all()
    token = path_of(view).strip("/")
    # The client in this process logs what it asks for.
    lines = [r.getMessage() for r in caplog.records if not r.name.startswith("websockets.client")]
    assert not [line for line in lines if token in line]

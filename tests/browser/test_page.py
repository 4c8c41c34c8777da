"""The page of the live view in a real browser."""

import math
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import graphcore as gc
from graphcore_zmq import zmq_sub


def wave(source: gc.Stream[int]) -> gc.Graph:
    """The graph in the documentation."""
    price = source.map(lambda n: 100 + 10 * math.sin(n / 40)).named("price")
    fast = price.ewm(span=10).mean().named("fast")
    slow = price.ewm(span=80).mean().named("slow")
    crossing = (fast > slow).named("fast above slow").distinct().named("crossing")
    orders = crossing.map(lambda up: "buy" if up else "sell").named("orders")
    volume = price.rolling(50).std().named("deviation")
    return gc.Graph(orders, volume, price.max().named("high"), price.min().named("low"))


def row(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator("#rows .row", has=page.locator(f"span:text-is('{name}')"))


def click_row(page: Page, name: str) -> None:
    row(page, name).first.click()
    expect(page.locator("#name")).to_have_text(name)


def test_it_shows_a_live_run(page: Page) -> None:
    graph = wave(gc.ticker("5ms").count().named("seconds"))
    with graph.serve() as view, graph.running():
        page.goto(view.url)
        expect(page.locator("#status")).to_have_text("running")
        expect(page.locator("#count")).to_have_text(f"{len(graph.nodes)} nodes")
        value = row(page, "seconds").locator("span").nth(2)
        before = value.inner_text()
        expect(value).not_to_have_text(before)
        click_row(page, "slow")
        expect(page.locator("#about")).to_contain_text("EwmMean, wired at")
        expect(page.locator("#edges button").first).to_have_text("price")
        expect(page.locator("figure figcaption span")).to_contain_text("ticks,")
        expect(page.locator("#past")).to_be_hidden()
        page.locator("#edges button").first.click()
        expect(page.locator("#name")).to_have_text("price")
        expect(page.locator("figure")).to_have_count(2)
        page.locator("figure button").first.click()
        expect(page.locator("figure")).to_have_count(1)


@pytest.mark.pictures
def test_a_historical_run_is_stepped_and_looked_back_on(page: Page, pictures: Path) -> None:
    minutes = [60_000_000_000 * n for n in range(2_000)]
    graph = wave(gc.replay(minutes, range(2_000)).named("minutes"))
    with graph.serve(paused=True) as view, graph.running(realtime=False) as run:
        page.goto(view.url)
        expect(page.locator("#status")).to_have_text("paused")
        click_row(page, "price")
        click_row(page, "slow")
        first = int(page.locator("#cycle").inner_text())
        for number in range(1, 8):
            page.click("#steps")
            expect(page.locator("#cycle")).to_have_text(str(first + 100 * number))
        page.click("#step")
        expect(page.locator("#cycle")).to_have_text(str(first + 701))
        value = row(page, "minutes").locator("span").nth(2)
        expect(value).to_have_text(str(first + 700))
        # Every tick of the steps is in the chart.
        caption = page.locator("figure[data-id] figcaption span").last
        expect(caption).to_contain_text(f"{701 + first:,} ticks" if first else "701 ticks")
        page.screenshot(path=pictures / "live-view.png")
        page.locator("#scrub").focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#moment")).to_have_text(f"cycle {first + 600}")
        expect(value).to_have_text(str(first + 599))
        page.screenshot(path=pictures / "scrubbing.png")
        page.click("#present")
        expect(value).to_have_text(str(first + 700))
        page.click("#pause")
        assert run.join("20s")
        expect(page.locator("#status")).to_have_text("ended by sources")
        expect(value).to_have_text("1999")
    expect(page.locator("#status")).to_contain_text("ended by sources; nobody serves this page")
    assert run.report.cycles == 2_000


def test_ten_thousand_nodes_scroll_and_are_found(page: Page) -> None:
    numbers = gc.ticker("5ms").count().named("numbers")
    graph = gc.Graph(*(numbers.map(lambda n: n).named(f"node {k:05}") for k in range(10_000)))
    with graph.serve() as view, graph.running():
        page.goto(view.url)
        expect(page.locator("#count")).to_have_text("10,002 nodes")
        page.evaluate("document.getElementById('scroll').scrollTop = 26 * 9000")
        last = row(page, "node 09000")
        expect(last).to_be_visible()
        expect(last.locator("span").nth(2)).not_to_have_text("")
        assert page.locator("#rows .row").count() < 100
        page.fill("#search", "node 01234")
        expect(page.locator("#count")).to_have_text("1 of 10,002 nodes")
        click_row(page, "node 01234")


def test_the_nodes_in_sub_graphs_are_shown_with_the_node_that_owns_them(page: Page) -> None:
    keys = (
        gc.ticker("5ms")
        .count()
        .named("numbers")
        .group_by(lambda n: f"key <{n % 3}>", lambda each, key: each.sum().named("total"))
    )
    graph = gc.Graph(keys.changes.named("totals"))
    with graph.serve() as view, graph.running():
        page.goto(view.url)
        click_row(page, "totals")
        figures = page.locator("#figures")
        expect(figures).to_contain_text("sub-graphs3")
        text = figures.locator("dd", has_text="total: ").first
        before = text.inner_text()
        expect(text).not_to_have_text(before)
        expect(figures).to_contain_text("key key <2>")


def test_an_error_is_shown_with_its_note(page: Page) -> None:
    prices = gc.replay([1, 2], [1, 0]).named("prices")
    graph = gc.Graph(prices.map(lambda n: 1 / n).named("<b>inverse</b>"))
    with graph.serve() as view:
        page.goto(view.url)
        expect(page.locator("#status")).to_have_text("not running")
        with pytest.raises(ZeroDivisionError):
            graph.run()
        expect(page.locator("#failure")).to_contain_text("in <b>inverse</b> (Map), wired at")
        expect(page.locator("#status")).to_have_text("ended by error")
        expect(row(page, "<b>inverse</b>")).to_be_visible()  # text, not HTML


def test_a_subscriber_shows_its_connection_latency_and_losses(page: Page) -> None:
    values = gc.ticker("10ms").count()
    publisher = values.zmq_pub(0)  # type: ignore[attr-defined]
    sending = gc.Graph(publisher)
    with sending.running():
        data, status = zmq_sub(publisher.node.port)
        receiving = gc.Graph(data.named("data"), status.named("status"))
        with receiving.serve() as view, receiving.running():
            page.goto(view.url)
            expect(row(page, "status").locator("span").nth(2)).to_contain_text("connected")
            click_row(page, "data")
            figures = page.locator("#figures")
            expect(figures).to_contain_text("connectedyes")
            expect(figures).to_contain_text("lost frames0")
            expect(figures).to_contain_text("latency, p50")
            expect(figures).not_to_contain_text("not known")
        with sending.serve() as view:
            page.goto(view.url)
            click_row(page, publisher.node.name)
            expect(page.locator("#figures")).to_contain_text("subscriptions")

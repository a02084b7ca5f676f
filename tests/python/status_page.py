"""Looks at the status page of a service in a browser: status_page.py URL [FOLDER]. FOLDER gets the screenshots.

It prints what the test shall do next, and waits for a line: `outage`, `recovery`, `end`.
"""

import json
import pathlib
import sys
import urllib.parse

from browser import Browser

SIZES = ((1280, 800), (400, 800))


def text(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")


def ask(what):
    print(what, flush=True)
    sys.stdin.readline()


def shoot(browser, folder, name):
    """Both widths, light and dark: nothing is wider than the window."""
    for width, height in SIZES:
        for dark in (False, True):
            browser.size(width, height, dark)
            browser.wait("document.querySelector('#rate-chart svg').viewBox.baseVal.width === document.querySelector('#rate-chart').clientWidth", "the charts fit")
            assert browser.run("document.documentElement.scrollWidth <= innerWidth"), f"{width}: wider than the window"
            if folder:
                browser.screenshot(folder / f"status_{name}_{width}{'_dark' if dark else ''}.png")
                if width == 400:
                    browser.screenshot(folder / f"status_{name}_{width}{'_dark' if dark else ''}_whole.png", whole=True)
    browser.size(*SIZES[0])


def check_quiet(browser, url):
    own = urllib.parse.urlsplit(url)
    own = f"{own.scheme}://{own.netloc}/"
    away = [request for request in browser.requests if not request.startswith((own, "data:", "about:"))]
    assert not away, f"requests left the page: {away}"
    wrong = [status for status in browser.statuses if status[0] >= 400]
    assert not browser.complaints and not wrong, (browser.complaints, wrong)


def main(url, folder=None):
    folder = pathlib.Path(folder) if folder else None
    with Browser() as browser:
        browser.size(*SIZES[0])
        browser.open(url)
        browser.wait("document.querySelector('#lane').textContent === 'live'", "the service is live")
        browser.wait("document.querySelector('#streams .number')?.textContent === '20'", "the alerts are counted")
        tiles = browser.run("[...document.querySelectorAll('.tile')].map((tile) => [tile.children[0].textContent, tile.children[1].textContent])")
        assert [label for label, _ in tiles] == ["Alerts", "Lag", "Late, last hour", "Rejected, last hour"], tiles
        assert tiles[3][1] == "1" and tiles[1][1].endswith(" s"), tiles
        streams = browser.run("[...document.querySelectorAll('#streams tr')].map((row) => [...row.children].map((cell) => cell.textContent))")
        assert len(streams) == 1 and streams[0][0] == "full" and streams[0][-2:] == ["1", "1"], streams
        assert "lag" in browser.run("document.title") and "process" in text(browser, "#process")
        # The row key of the rejected alert is markup.
        assert "<img src=x onerror=" in text(browser, "#problems"), text(browser, "#problems")
        assert browser.run("document.querySelectorAll('img').length") == 0
        browser.wait("document.querySelectorAll('#rate-chart .curve').length > 0", "the rate is drawn")
        assert browser.run("document.querySelectorAll('#trouble-chart .rejected').length") == 1
        box = browser.run("(({ left, top, width, height }) => [left + width - 12, top + height / 2])(document.querySelector('#lag-chart').getBoundingClientRect())")
        browser.pointer("mouseMoved", *box)
        browser.wait("/\\d\\d:\\d\\d:\\d\\d  .* s/.test(document.querySelector('#lag-value').textContent)", "the value under the mouse is told")
        assert not text(browser, "#banners"), text(browser, "#banners")
        blocked = browser.run("fetch('https://example.org/').then(() => 'fetched', () => 'blocked')")
        assert blocked == "blocked" and browser.complaints, "the policy lets the page load from elsewhere"
        browser.complaints.clear()
        browser.requests[:] = [request for request in browser.requests if "example.org" not in request]
        shoot(browser, folder, "load")
        ask("outage")
        browser.wait("document.querySelector('#banners').textContent.includes('The science database has not answered for')", "the outage is told")
        browser.wait("parseFloat(document.querySelectorAll('.tile .value')[1].textContent) > 3", "the lag grows")
        shoot(browser, folder, "outage")
        ask("recovery")
        browser.wait("!document.querySelector('#banners').textContent", "the outage is over")
        check_quiet(browser, url)
        ask("end")
        browser.wait("document.querySelector('#banners').textContent.startsWith('The service does not answer')", "the end of the service is noticed")
        assert text(browser, "#lane") == "no answer" and text(browser, "#streams"), "what was shown stays"
        shoot(browser, folder, "end")


main(*sys.argv[1:])

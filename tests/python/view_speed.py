"""Measures the page of `fink view` with 1000 alerts: view_speed.py FINK [SURVEY]. It asserts nothing: times depend on the machine."""

import statistics
import subprocess
import sys
import tempfile
import time

from browser import Browser

NEXT = """(async () => {
    const times = [];
    for (let count = 0; count < 20; count++) {
        const next = document.querySelector('#items [aria-current]').parentElement.nextElementSibling.firstChild;
        const begin = performance.now();
        next.click();
        while (document.documentElement.dataset.alert !== next.dataset.number) await new Promise((done) => setTimeout(done, 1));
        times.push(performance.now() - begin);
    }
    return times;
})()"""


def main(fink, survey="ztf"):
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        simulate = [fink, "simulate", "-q", "--survey", survey, "--alerts", "1000", "--seed", "5", "--out", folder]
        subprocess.run(simulate, check=True, stdout=subprocess.DEVNULL)
        begin = time.monotonic()
        server = subprocess.Popen([fink, "-q", "view", folder], stdout=subprocess.PIPE, text=True)
        url = server.stdout.readline().strip()
        print(f"1000 {survey} files read: {time.monotonic() - begin:.2f} s")
        browser.size(1280, 800)
        browser.open(url)
        loads = []
        for _ in range(5):
            begin = time.monotonic()
            browser.open(url)
            loads.append(time.monotonic() - begin)
        print(f"page with its list and first alert: {1000 * statistics.median(loads):.0f} ms")
        listing = "(async () => { const begin = performance.now(); await (await fetch('alerts?where=&after=0')).json(); return performance.now() - begin; })()"
        print(f"list of 1000: {statistics.median(browser.run(listing) for _ in range(5)):.0f} ms")
        print(f"next alert: {statistics.median(browser.run(NEXT)):.0f} ms")
        size = "(async () => (await (await fetch('.')).text()).length)()"
        print(f"page without alerts: {browser.run(size)} bytes")
        server.kill()
        server.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])

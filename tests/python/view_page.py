"""Looks at pages of `fink view` in a browser: view_page.py SCENARIO URL [FOLDER]. FOLDER gets the screenshots.

Each scenario asserts; at the end no request may have left the machine, and the page may not have complained.
"""

import csv
import io
import json
import pathlib
import sys
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import view_pictures
from browser import Browser, find

SIZES = ((1280, 800), (400, 800))


def points(browser):
    """Places of the drawn points: [kind, band, x, y]."""
    script = """[...document.querySelectorAll('#plot .point')].map((point) => {
        const box = point.lastElementChild.getBBox();
        return [point.classList[1], point.dataset.band, box.x + box.width / 2, box.y + box.height / 2];
    })"""
    return browser.run(script)


def text(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")


def alert(browser, number):
    return browser.run(f"fetch('alert/{number}').then((answer) => answer.json())")


def current(browser):
    return int(browser.run("document.querySelector('#items [aria-current]').dataset.number"))


def choose(browser, name):
    """Picks the alert whose object begins with a name."""
    script = f"[...document.querySelectorAll('#items button')].find((item) => item.textContent.startsWith({json.dumps(name)}))"
    number = browser.run(f"{script}.dataset.number")
    browser.run(f"{script}.click()")
    browser.shown(number)


def grey(browser, stamp, right, down):
    """The grey of a stamp's picture at an offset from its middle, in pixels of a 63-pixel image."""
    return browser.run(f"""(() => {{
        const canvas = document.querySelectorAll('#stamp-images canvas')[{stamp}];
        const zoom = Math.floor(canvas.width / 63), middle = canvas.width / 2;
        const copy = document.createElement('canvas').getContext('2d', {{ willReadFrequently: true }});
        copy.drawImage(canvas, -(middle + {right} * zoom), -(middle + {down} * zoom));
        return copy.getImageData(0, 0, 1, 1).data[0];
    }})()""")


def survey(browser, url, folder, name, label, is_inverted):
    for width, height in SIZES:
        for dark in (False, True):
            browser.size(width, height, dark)
            browser.open(url)
            assert browser.run("document.documentElement.scrollWidth <= innerWidth"), f"{width}: wider than the window"
            if folder:
                browser.screenshot(folder / f"{name}_{width}{'_dark' if dark else ''}.png")
    browser.size(*SIZES[0])
    browser.open(url)
    shown = alert(browser, current(browser))
    first = [point for point in shown["curve"]["points"] if point["values"][0] and point["kind"] != "forced"]
    drawn = points(browser)
    assert len(drawn) == len(first) > 1, (len(drawn), len(first))
    assert label in text(browser, "#plot"), text(browser, "#plot")
    # Bright is up: magnitudes are inverted, fluxes are not.
    value = {(point["mjd"], point["band"]): point["values"][0][0] for point in first}
    ordered = sorted(first, key=lambda point: point["mjd"])
    places = sorted(drawn, key=lambda point: point[2])
    pairs = [(value[point["mjd"], point["band"]], place[3]) for point, place in zip(ordered, places)]
    low, high = min(pairs), max(pairs)
    assert (low[1] < high[1]) == is_inverted, (low, high)
    assert browser.run("document.querySelectorAll('#plot .present').length") == 1
    assert browser.run("document.querySelectorAll('#plot .error').length") > 0
    assert browser.run("document.querySelectorAll('#stamp-images canvas').length") == 3

    # Keys.
    before = current(browser)
    browser.press("j")
    browser.wait(f"document.querySelector('#items [aria-current]').dataset.number !== '{before}'", "j: the next alert")
    browser.press("ArrowLeft")
    browser.wait(f"document.querySelector('#items [aria-current]').dataset.number === '{before}'", "←: the previous alert")
    browser.shown(before)
    views = [text(browser, "#plot select option:checked") or browser.run("document.querySelector('#plot-controls select').selectedOptions[0].textContent")]
    for _ in shown["curve"]["views"]:
        browser.press("f")
        views.append(browser.run("document.querySelector('#plot-controls select').selectedOptions[0].textContent"))
    assert len(set(views)) == len(shown["curve"]["views"]) and views[0] == views[-1], views
    browser.press("d")
    assert "Days before this alert" in text(browser, "#plot")
    browser.press("d")
    assert ("TAI − 37 s" in text(browser, "#plot")) == shown["curve"]["tai"]
    pictures = set()
    for key in ("1", "2", "3", "4", "m", "i", "x", "r"):
        browser.press(key)
        pictures.add(browser.run("[...document.querySelectorAll('#stamp-images canvas')].map((canvas) => canvas.toDataURL()).join()"))
    assert len(pictures) == 8, f"{len(pictures)} different pictures"
    browser.press("/")
    assert browser.run("document.activeElement.id") == "field-search"
    browser.run("document.activeElement.value = 'psf'; document.activeElement.dispatchEvent(new Event('input'))")
    assert "psf" in text(browser, "#tree .leaf .name").lower()
    browser.press("Escape")
    browser.press("?")
    browser.wait("document.querySelector('#help').open", "? opens the list of keys")
    browser.run("document.querySelector('#help').close()")

    # Hover and click: values of the point, kept after a click.
    x, y = browser.run("(() => { const box = document.querySelector('#plot .present').getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()")
    browser.pointer("mouseMoved", x, y)
    browser.wait("!document.querySelector('#tooltip').hidden", "hover describes the point")
    tip = text(browser, "#tooltip")
    present = next(point for point in shown["curve"]["points"] if point["present"])
    assert present["time"] in tip and "this alert" in tip and present["id"] in tip, tip
    browser.pointer("mousePressed", x, y, button="left", clickCount=1)
    browser.pointer("mouseReleased", x, y, button="left", clickCount=1)
    browser.pointer("mouseMoved", x - 200, y)
    assert browser.run("document.querySelector('#tooltip').className") == "pinned"
    # The wheel zooms, the legend hides a band.
    before = points(browser)
    # Not where the values stand that the click has kept.
    browser.pointer("mouseWheel", x - 400, y + 30, deltaX=0, deltaY=-400)
    browser.wait(f"document.querySelector('#plot-controls').textContent.includes('reset zoom')", "the wheel zooms")
    browser.run("[...document.querySelectorAll('#plot-controls button')].find((button) => button.textContent === 'reset zoom').click()")
    band = before[0][1]
    browser.run(f"document.querySelector('#plot .legend[data-name={json.dumps(band)}]').dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))")
    assert all(point[1] != band for point in points(browser)) and len(points(browser)) < len(before)
    # A pixel's value.
    x, y = browser.run("(() => { const box = document.querySelector('#stamp-images canvas').getBoundingClientRect(); return [box.x + 100, box.y + 100]; })()")
    browser.pointer("mouseMoved", x, y)
    browser.wait("/^x \\d+  y \\d+  /.test(document.querySelector('#pixel').textContent)", "the pixel is described")
    ra, dec = map(float, text(browser, "#pixel").split("\n")[1].replace("−", "-").split())
    said = dict((line[0], line[1]) for line in shown["lines"])["RA Dec"].split()
    assert abs(dec - float(said[1])) < 0.002 and abs(ra - float(said[0])) < 0.01, (ra, dec, said)


def ztf(browser, url, folder):
    survey(browser, url, folder, "ztf", "Difference magnitude", True)


def lsst(browser, url, folder):
    survey(browser, url, folder, "lsst", "Difference flux (nJy)", False)
    # Ids are larger than JavaScript's numbers.
    identifier = text(browser, "#head h1 span")
    browser.run("document.querySelector('#field-search').value = 'diaObjectId'; document.querySelector('#field-search').dispatchEvent(new Event('input'))")
    assert identifier in text(browser, "#tree"), (identifier, text(browser, "#tree")[:300])


def broken(browser, url, folder):
    browser.size(*SIZES[0])
    browser.open(url)
    choose(browser, "ZTF18</script>")
    assert browser.run("document.title") != "taken" and browser.run("document.querySelectorAll('img, script:not([type])').length") == 0
    browser.run("document.querySelector('#field-search').value = 'onerror'; document.querySelector('#field-search').dispatchEvent(new Event('input'))")
    assert "onerror" in text(browser, "#tree") and browser.run("document.title") != "taken"
    assert browser.run("document.documentElement.scrollWidth <= innerWidth"), "a long text widens the page"
    if folder:
        browser.screenshot(folder / "hostile_1280.png")
    for name, words in {
        "ZTF18bomb": ["it expands to more than 16 MiB"],
        "ZTF18damaged": ["cut short", "gzip data are damaged", "no FITS file"],
        "ZTF18nostamps": ["This alert has no stamps."],
    }.items():
        choose(browser, name)
        shown = text(browser, "#stamp-images")
        assert all(word in shown for word in words), shown
        assert len(points(browser)) > 0, f"{name} has no light curve"
        if folder:
            browser.screenshot(folder / f"{name}_1280.png")
    choose(browser, "ZTF18nohistory")
    assert "prv_candidates is null" in text(browser, "#notes") and len(points(browser)) == 1
    # ZTF's row 0 is on top, its column 0 on the left: the bright pixel of row 5, column 50 is up and right.
    choose(browser, "ZTF18asymmetric")
    browser.press("4")
    assert grey(browser, 0, 50 - 31, 5 - 31) > 250 and grey(browser, 0, 50 - 31, 31 - 5) < 10
    choose(browser, "alert")
    assert len(points(browser)) == 1 and "17.50 ± 0.10" in text(browser, "#items [aria-current]")
    browser.run("document.querySelector('#field-search').value = 'big'; document.querySelector('#field-search').dispatchEvent(new Event('input'))")
    assert "9007199254740993" in text(browser, "#tree")


def filters(browser, url, folder):
    browser.size(*SIZES[0])
    browser.open(url)
    everything = browser.run("document.querySelectorAll('#items li').length")

    def ask(condition):
        browser.run(f"document.querySelector('#condition').value = {json.dumps(condition)}; document.querySelector('#condition').dispatchEvent(new Event('input'))")

    ask("magpsf < 18")
    browser.wait(f"document.querySelectorAll('#items li').length < {everything}", "the list is shorter")
    shown = browser.run("[...document.querySelectorAll('#items .brightness')].map((item) => Number(item.textContent.split(' ')[1]))")
    assert shown and all(value < 18.0005 for value in shown), shown
    ask("magpfs < 18")
    browser.wait("!document.querySelector('#filter-fault').hidden", "a wrong name is told")
    assert "nearest: `candidate.magpsf`" in text(browser, "#filter-fault"), text(browser, "#filter-fault")
    ask("")
    browser.wait(f"document.querySelectorAll('#items li').length === {everything}", "all are back")


def saved(browser, url, folder):
    """A page that was written with --html."""
    browser.size(*SIZES[0])
    browser.open(url)
    assert len(points(browser)) > 0 and browser.run("document.querySelectorAll('#stamp-images canvas').length") == 3
    first = text(browser, "#head h1 span")
    browser.press("j")
    browser.wait(f"document.querySelector('#head h1 span').textContent !== {json.dumps(first)}", "the next alert is there too")


def live(browser, url, folder):
    """Alerts of a topic; the test sends more of them when it reads a line."""
    browser.size(*SIZES[0])
    browser.open(url)
    browser.wait("document.querySelectorAll('#items li').length > 0", "the alerts of the topic are listed")
    browser.wait("Boolean(document.querySelector('#head h1'))", "the newest is shown")
    count, chosen = browser.run("document.querySelectorAll('#items li').length"), current(browser)
    assert "fink_" in text(browser, "#head") and "received" in text(browser, "#head")
    print("send", flush=True)
    sys.stdin.readline()
    browser.wait("document.querySelector('#new').textContent === '12 new' && !document.querySelector('#new').hidden", "12 new alerts wait")
    assert browser.run("document.querySelectorAll('#items li').length") == count and current(browser) == chosen
    browser.run("document.querySelector('#new').click()")
    browser.wait(f"document.querySelectorAll('#items li').length === {count + 12}", "they are listed")
    assert current(browser) == chosen
    browser.press(" ")
    assert text(browser, "#pause") == "resume"
    print("send", flush=True)
    sys.stdin.readline()
    time.sleep(2.5)
    assert browser.run("document.querySelector('#new').hidden")
    browser.press(" ")
    browser.wait("document.querySelector('#new').textContent === '12 new'", "after the pause they come")


def every(browser, url, folder):
    """All alerts one after the other."""
    browser.size(*SIZES[0])
    browser.open(url)
    names = browser.run("[...document.querySelectorAll('#items [data-number]')].map((item) => item.dataset.number)")
    for number in names:
        browser.run(f"document.querySelector('[data-number=\"{number}\"]').click()")
        browser.shown(number)
        shown = alert(browser, number)
        drawn = sum(stamp["error"] is None for stamp in shown["stamps"])
        assert browser.run("document.querySelectorAll('#stamp-images canvas').length") == drawn, shown["title"]
        first = [point for point in shown["curve"]["points"] if point["values"][0] and point["kind"] != "forced"]
        assert len(points(browser)) == len(first), shown["title"]


def packet(browser, url):
    """The alert that is shown, as Avro."""
    with urllib.request.urlopen(f"{url}alert/{current(browser)}/avro") as answer:
        return answer.read()


def pictures(browser, url, folder):
    """The pixels of light curve and stamps; the alert is the one of view_pictures.py."""
    browser.size(1280, 1200, ratio=view_pictures.RATIO)
    browser.open(url)
    view_pictures.compare_page(browser, packet(browser, url))


def negative(browser, url, folder):
    """An alert of ZTF that is fainter than the reference: its difference is stored times −1, and `n` turns the sign."""
    browser.size(1280, 1200, ratio=view_pictures.RATIO)
    browser.open(url)
    label = lambda: browser.run("document.querySelectorAll('#stamp-images figcaption .muted')[2].textContent")
    assert label() == "negative, shown × −1", label()
    view_pictures.compare_difference(browser, packet(browser, url), 1)
    browser.press("n")
    assert label() == "negative", label()
    view_pictures.compare_difference(browser, packet(browser, url), -1)


# What the page saves, copies and opens is kept, in the place of files, the clipboard and other pages.
KEEP = """(() => {
    window.kept = { files: [], blobs: [], copied: '', opened: '' };
    const made = URL.createObjectURL;
    URL.createObjectURL = (blob) => (kept.blobs.push(blob), made.call(URL, blob));
    HTMLAnchorElement.prototype.click = function () { kept.files.push(this.download); };
    Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { kept.copied = text; } } });
    window.open = (url) => { kept.opened = url; };
})()"""


def uses(browser, url, folder):
    """What is saved, copied and opened, and the ways of the mouse to zoom."""
    browser.size(*SIZES[0])
    browser.open(url)
    browser.run(KEEP)
    shown = alert(browser, current(browser))
    name = shown["fileName"]

    def button(place, label):
        browser.run(f"[...document.querySelectorAll('{place} button')].find((button) => button.textContent === {json.dumps(label)}).click()")

    def saved(ending):
        """The last file and its first bytes, once it has this ending."""
        browser.wait(f"(kept.files.at(-1) ?? '').endsWith({json.dumps(ending)})", f"a file with the ending {ending} is saved")
        file = browser.run("kept.files.at(-1)")
        return file, browser.run("kept.blobs.at(-1).text()")

    button("#plot-controls", "CSV")
    file, lines = saved(".csv")
    rows = list(csv.DictReader(io.StringIO(lines)))
    assert file == f"{name}_light_curve.csv" and len(rows) == len(shown["curve"]["points"]), (file, lines)
    by_time = {(point["mjd"], point["band"]): point for point in shown["curve"]["points"]}
    for row in rows:
        point = by_time[float(row["mjd_utc"]), row["band"]]
        assert (row["kind"], row["utc"], row["present"]) == (point["kind"], point["time"], str(int(point["present"]))), (row, point)
        value = row["Difference magnitude (mag)"]
        assert (float(value) if value else None) == (point["values"][0] or [None])[0], (row, point)
    button("#plot-controls", "SVG")
    file, drawing = saved(".svg")
    drawn = [node for node in xml.etree.ElementTree.fromstring(drawing).iter() if node.get("class", "").startswith("point")]
    assert len(drawn) == len(points(browser)), file
    browser.press("s")
    assert saved(".png")[1][1:4] == "PNG"
    button("#stamp-images", "PNG")
    browser.wait("kept.files.at(-1).endsWith('_science.png')", "the stamp is saved")
    button("#stamp-images", "FITS")
    browser.wait("kept.files.at(-1).endsWith('_science.fits')", "the FITS file is saved")
    browser.press("o")
    assert browser.run("kept.opened") == f"https://ztf.fink-portal.org/{shown['title']}", browser.run("kept.opened")

    # The menu of a value.
    browser.run("document.querySelector('#field-search').value = 'candidate.magpsf'; document.querySelector('#field-search').dispatchEvent(new Event('input'))")
    packed = view_pictures.read(packet(browser, url))
    value = str(packed["candidate"]["magpsf"])
    for label, wanted in {
        "copy name": "candidate.magpsf",
        "copy value": value,
        "copy as rule": f'<column name="candidate" subcol="magpsf" operator="=" value="{value}"/>',
        "copy as filter argument": "candidate_magpsf",
    }.items():
        browser.run("document.querySelector('#tree .menu').click()")
        browser.run(f"[...document.querySelectorAll('#menu button')].find((item) => item.textContent.split(':')[0] === {json.dumps(label)}).click()")
        copied = browser.wait("kept.copied", label)
        is_same = copied == wanted or label in ("copy value", "copy as rule") and abs(float(copied.split('value="')[-1].strip('"/>')) - float(value)) < 1e-5
        assert is_same, (label, copied, wanted)
        browser.run("kept.copied = ''")
    browser.run("document.querySelector('#head h1 button').click()")
    assert browser.wait("kept.copied", "the object is copied") == shown["title"]

    # A frame that is drawn with the mouse is zoomed to; a double click shows all.
    left, top, width, height = browser.run("(() => { const box = document.querySelector('#plot svg').getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; })()")
    before = browser.run("document.querySelector('#plot svg').textContent")
    start, end = (left + 0.3 * width, top + 0.3 * height), (left + 0.8 * width, top + 0.7 * height)
    browser.pointer("mouseMoved", *start)
    browser.pointer("mousePressed", *start, button="left", clickCount=1)
    browser.pointer("mouseMoved", *end, button="left", buttons=1)
    browser.pointer("mouseReleased", *end, button="left", clickCount=1)
    browser.wait(f"document.querySelector('#plot svg').textContent !== {json.dumps(before)}", "a frame is zoomed to")
    for count in (1, 2):
        browser.pointer("mousePressed", *start, button="left", clickCount=count)
        browser.pointer("mouseReleased", *start, button="left", clickCount=count)
    browser.wait(f"document.querySelector('#plot svg').textContent === {json.dumps(before)}", "a double click shows all")
    # The other two keys for the next and the previous alert.
    first = current(browser)
    browser.press("ArrowRight")
    browser.wait(f"document.querySelector('#items [aria-current]').dataset.number !== '{first}'", "→: the next alert")
    browser.press("k")
    browser.wait(f"document.querySelector('#items [aria-current]').dataset.number === '{first}'", "k: the previous alert")


def main(scenario, url, folder=None):
    folder = pathlib.Path(folder) if folder else None
    with Browser() as browser:
        globals()[scenario](browser, url, folder)
        own = urllib.parse.urlsplit(url)
        own = f"{own.scheme}://{own.netloc}"
        away = [request for request in browser.requests if not request.startswith((own + "/", "data:", "blob:", "about:")) and request != url]
        assert not away, f"requests left the page: {away}"
        wrong = [status for status in browser.statuses if status[0] >= 400]
        assert not browser.complaints and not wrong, (browser.complaints, wrong)


if __name__ == "__main__":
    if sys.argv[1] == "find":
        sys.exit(0 if find() else 3)
    main(*sys.argv[1:])

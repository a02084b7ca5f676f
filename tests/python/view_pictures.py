"""Looks at the pixels of light curves and stamps, on the page and in the picture of --png.

usage: view_pictures.py make FOLDER          from the simulated alerts in FOLDER/ztf and FOLDER/lsst: one alert in each of FOLDER/pictures/…
       view_pictures.py png PICTURE ALERT    compares a picture with the alert's file

What has to be seen is computed here from the alert, with numpy and astropy: where a point lies follows from its time and value, the grey of a stamp's
pixel from its FITS file.
"""

import gzip
import io
import pathlib
import sys
import tempfile
import warnings

import astropy.units as u
import fastavro
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.visualization import AsinhStretch, ZScaleInterval
from astropy.wcs import WCS
from PIL import Image

KINDS = ("Science", "Template", "Difference")
GROUND, INK, ARROW = (255, 255, 255), (0x16, 0x19, 0x1F), (0xFF, 0xE0, 0x66)
G, R, R_NEGATIVE = (0x15, 0x28, 0x4F), (0xF5, 0x62, 0x2E), (0xF5, 0x7A, 0x2E)
# Days before the alert, and value: the visits of ZTF's history.
BRIGHT, FAINT, NEGATIVE = (20, 17.0), (10, 19.0), (15, 18.5)
PRESENT, LIMITS = (0, 18.0), ((5, 20.0, R), (12, 19.8, G))


# Alerts whose light curve and stamps are known.


def image(side, kind):
    """Noise, in which no two pixels are alike, and a star in one corner: no turn and no flip leaves it the same."""
    pixels = np.random.default_rng(KINDS.index(kind) + 1).normal(0 if kind == "Difference" else 200, 10, (side, side))
    y, x = np.mgrid[:side, :side]
    pixels += 400 * np.exp(-((x - 0.7 * side) ** 2 + (y - 0.2 * side) ** 2) / 6)
    return pixels.astype(">f4")


def rubin_header(ra, dec, side):
    """A visit that is turned by 23 degrees, and mirrored: x grows to the east."""
    header = fits.Header()
    angle, step = np.radians(23), 0.2 / 3600
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = ra, dec
    header["CRPIX1"] = header["CRPIX2"] = (side + 1) / 2
    header["CD1_1"], header["CD1_2"] = step * np.cos(angle), -step * np.sin(angle)
    header["CD2_1"], header["CD2_2"] = step * np.sin(angle), step * np.cos(angle)
    return header


def fits_file(pixels, header=None):
    buffer = io.BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(buffer)
    return buffer.getvalue()


def with_history(folder, history):
    """The schema and an alert of a folder that has earlier detections."""
    for file in sorted(folder.glob("*.avro")):
        with open(file, "rb") as opened:
            reader = fastavro.reader(opened)
            schema, alert = reader.writer_schema, next(iter(reader))
            if any(record.get("magpsf", 0) is not None for record in alert[history] or []):
                return schema, alert
    raise SystemExit(f"{folder}: no alert has a history")


def ztf_alert(folder):
    schema, alert = with_history(folder, "prv_candidates")
    candidate = alert["candidate"]
    template = next(record for record in alert["prv_candidates"] if record["magpsf"] is not None)
    # No source behind: the difference is what is shown.
    candidate.update(fid=2, magpsf=PRESENT[1], sigmapsf=0.1, isdiffpos="t", distnr=20.0)

    def visit(days, fid, **values):
        return {**template, "jd": candidate["jd"] - days, "fid": fid, "isdiffpos": "t", "sigmapsf": 0.1, "diffmaglim": 20.5, "candid": 100 + days, **values}

    def limit(days, fid, value):
        return visit(days, fid, magpsf=None, sigmapsf=None, isdiffpos=None, candid=None, diffmaglim=value)

    alert["prv_candidates"] = [
        visit(BRIGHT[0], 1, magpsf=BRIGHT[1]), visit(FAINT[0], 1, magpsf=FAINT[1], sigmapsf=0.3),
        visit(NEGATIVE[0], 2, magpsf=NEGATIVE[1], isdiffpos="f"), limit(5, 2, 20.0), limit(12, 1, 19.8),
    ]
    for kind in KINDS:
        alert[f"cutout{kind}"] = {"fileName": "x", "stampData": gzip.compress(fits_file(image(63, kind)))}
    return schema, alert


def negative_alert(folder):
    schema, alert = ztf_alert(folder)
    alert["candidate"]["isdiffpos"] = "f"
    return schema, alert


def rubin_alert(folder):
    schema, alert = with_history(folder, "prvDiaSources")
    source = alert["diaSource"]
    source.update(band="r", psfFlux=5000.0, psfFluxErr=300.0, isNegative=False)

    def earlier(days, band, flux):
        changes = {"midpointMjdTai": source["midpointMjdTai"] - days, "band": band, "psfFlux": flux, "psfFluxErr": 400.0, "isNegative": flux < 0}
        return {**alert["prvDiaSources"][0], **changes, "diaSourceId": 100 + days}

    alert["prvDiaSources"] = [earlier(10, "g", 20000.0), earlier(6, "i", -3000.0)]
    alert["prvDiaForcedSources"] = None
    header = rubin_header(source["ra"], source["dec"], 30)
    for kind in KINDS:
        alert[f"cutout{kind}"] = fits_file(image(30, kind), header)
    return schema, alert


def make(folder):
    folder = pathlib.Path(folder)
    for name, survey, alert_of in (("ztf", "ztf", ztf_alert), ("negative", "ztf", negative_alert), ("lsst", "lsst", rubin_alert)):
        schema, alert = alert_of(folder / survey)
        target = folder / "pictures" / name
        target.mkdir(parents=True)
        with open(target / "alert.avro", "wb") as file:
            fastavro.writer(file, schema, [alert])


# Pixels.


def is_near(pixels, colour, tolerance=40):
    return np.abs(np.asarray(pixels, int)[..., :3] - colour).max(axis=-1) <= tolerance


class Curve:
    """A drawn light curve: an array of pixels, the place of a time and a value on it, and the radius of a mark in pixels."""

    def __init__(self, pixels, x_of, y_of, radius):
        self.pixels, self.x_of, self.y_of, self.radius = pixels, x_of, y_of, radius

    def place(self, days, value):
        return self.x_of(days), self.y_of(value)

    def at(self, place, right=0.0, down=0.0):
        """The pixel so many radii from a place."""
        return self.pixels[round(place[1] + down * self.radius), round(place[0] + right * self.radius)]

    def part_of_ring(self, place, radii, colour):
        """How much of a circle has a colour, within a pixel or two of its line."""
        angles = np.radians(np.arange(0, 360, 10))
        found = np.zeros(len(angles), bool)
        for distance in np.arange(radii * self.radius - 1.5, radii * self.radius + 1.6, 0.5):
            x, y = np.round(place[0] + distance * np.cos(angles)).astype(int), np.round(place[1] + distance * np.sin(angles)).astype(int)
            found |= is_near(self.pixels[y, x], colour, 70)
        return found.mean()

    def width_at(self, place, down):
        """How wide a mark is at so many radii below a place, in radii."""
        rows = round(place[1] + down * self.radius) + np.arange(-1, 2)
        columns = round(place[0]) + np.arange(-round(1.7 * self.radius), round(1.7 * self.radius) + 1)
        drawn = np.flatnonzero(~is_near(self.pixels[np.ix_(rows, columns)], GROUND).all(axis=0))
        return (drawn[-1] - drawn[0] + 1) / self.radius if len(drawn) else 0.0


def compare_ztf_curve(curve):
    bright, faint, negative, present = (curve.place(*point) for point in (BRIGHT, FAINT, NEGATIVE, PRESENT))
    assert bright[1] < faint[1] and bright[0] < faint[0], "bright is up, and early is left"
    for place in (bright, faint):
        assert is_near(curve.at(place), G), f"g is a filled circle: {curve.at(place)}"
    # r has a dot of the ground's colour in its middle; a negative difference is hollow and has the other way round.
    assert is_near(curve.at(present), GROUND) and is_near(curve.at(present, right=0.66), R), "r is filled"
    assert is_near(curve.at(negative), R_NEGATIVE) and is_near(curve.at(negative, right=0.66), GROUND), "a negative difference is hollow"
    assert curve.part_of_ring(negative, 1.0, R_NEGATIVE) > 0.9, "and has an outline"
    assert curve.part_of_ring(present, 2.1, INK) > 0.9, "the alert has a ring"
    assert max(curve.part_of_ring(place, 2.1, INK) for place in (bright, faint, negative)) < 0.3, "and no other point has one"
    # Error bars: half opaque, of one standard deviation.
    bar = (np.array(G) + GROUND) // 2
    for error in (-0.24, 0.24):
        assert is_near(curve.at(curve.place(FAINT[0], FAINT[1] + error)), bar), curve.at(curve.place(FAINT[0], FAINT[1] + error))
    assert is_near(curve.at(curve.place(FAINT[0], FAINT[1] - 0.4)), GROUND)
    for days, value, colour in LIMITS:
        place = curve.place(days, value)
        assert is_near(curve.at(place), GROUND), f"an upper limit is open: {curve.at(place)}"
        top, bottom = curve.width_at(place, -0.75), curve.width_at(place, 0.9)
        assert top > 1.9 and 0 < bottom < 1.3, f"an upper limit is a triangle that points down: {top:.1f} above, {bottom:.1f} below"
        half = (np.array(colour) + GROUND) // 2
        edge = [curve.at(place, right, down) for right in np.arange(-0.5, 0.6, 0.25) for down in np.arange(-1.1, -0.5, 0.1)]
        assert any(is_near(pixel, half, 30) for pixel in edge), f"and half opaque, in the colour of its band: {edge}"


class Stamp:
    """An image of the sky, with what astropy makes of it."""

    def __init__(self, alert, kind):
        data = alert[f"cutout{kind}"]
        data = gzip.decompress(data["stampData"]) if isinstance(data, dict) else data
        with fits.open(io.BytesIO(data)) as units:
            self.pixels, header = units[0].data.astype("f8"), units[0].header
        self.side = self.pixels.shape[0]
        low, high = ZScaleInterval().get_limits(self.pixels)
        if kind == "Difference":
            size = max(abs(low), abs(high))
            self.greys = np.clip(0.5 + self.pixels / size / 2, 0, 1) * 255
        else:
            self.greys = AsinhStretch(0.1)(np.clip((self.pixels - low) / (high - low), 0, 1)) * 255
        self.wcs = WCS(header) if "CTYPE1" in header else None
        self.centre = SkyCoord(header["CRVAL1"], header["CRVAL2"], unit="deg") if self.wcs else None

    def index(self, right, up):
        """Column and row of the pixel that lies so many pixels to the west and to the north of the middle."""
        if self.wcs is None:
            # ZTF: the rows go from north to south, the columns from east to west.
            return self.side // 2 + right, self.side // 2 - up
        place = self.centre.spherical_offsets_by(-right * 0.2 * u.arcsec, up * 0.2 * u.arcsec)
        return self.wcs.world_to_pixel(place)

    def agreement(self, pixels, middle, zoom, flip=(1, 1)):
        """The part of the drawn pixels that are as they should be, where the sky is drawn flipped so."""
        reach = self.side // 2 - 3 if self.wcs is None else self.side // 2 - 6
        right, up = (part.ravel() for part in np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1)))
        # The corners have the scale and the arrows.
        is_free = (up > -reach / 3) | (np.abs(right) < reach / 4)
        right, up = right[is_free], up[is_free]
        column, row = (np.rint(part).astype(int) for part in self.index(flip[0] * right, flip[1] * up))
        shown = pixels[np.rint(middle[1] - up * zoom).astype(int), np.rint(middle[0] + right * zoom).astype(int), 0].astype(float)
        return (np.abs(shown - self.greys[row, column]) < 8).mean()

    def compare(self, pixels, middle, zoom, name):
        found = {flip: self.agreement(pixels, middle, zoom, flip) for flip in ((1, 1), (1, -1), (-1, 1), (-1, -1))}
        assert found[1, 1] > 0.9 and max(share for flip, share in found.items() if flip != (1, 1)) < 0.5, f"{name}: north up and east left: {found}"


def read(data):
    return next(iter(fastavro.reader(io.BytesIO(data))))


def days_before(alert, mjd):
    now = Time(alert["candidate"]["jd"], format="jd") if "candidate" in alert else Time(alert["diaSource"]["midpointMjdTai"], format="mjd", scale="tai").utc
    return now.mjd - mjd


# The picture of --png.


def clusters(pixels, colour):
    """The middles of the patches that have a colour."""
    rows, columns = np.nonzero(is_near(pixels, colour, 6))
    found = []
    for place in np.stack([columns, rows], axis=1).astype(float):
        near = next((patch for patch in found if np.hypot(*(np.mean(patch, axis=0) - place)) < 9), None)
        near.append(place) if near else found.append([place])
    return [np.mean(patch, axis=0) for patch in found if len(patch) > 12]


def png(picture, file):
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert pixels.shape == (900, 1200, 3), pixels.shape
    alert = read(pathlib.Path(file).read_bytes())
    if "candidate" in alert:
        legend, *found = sorted(clusters(pixels[:600], G), key=lambda place: place[1])
        bright, faint = sorted(found, key=lambda place: place[0])
        present = max(clusters(pixels[:600], R), key=lambda place: place[0])
        x_of = lambda days: faint[0] + (FAINT[0] - days) * (faint[0] - bright[0]) / (BRIGHT[0] - FAINT[0])
        y_of = lambda value: bright[1] + (value - BRIGHT[1]) * (faint[1] - bright[1]) / (FAINT[1] - BRIGHT[1])
        assert np.hypot(x_of(PRESENT[0]) - present[0], y_of(PRESENT[1]) - present[1]) < 1.5, (bright, faint, present)
        compare_ztf_curve(Curve(pixels, x_of, y_of, 5.5))
    for at, kind in enumerate(KINDS):
        stamp = Stamp(alert, kind)
        stamp.compare(pixels, (40 + at * 274 + 125.5, 612 + 125.5), 252 // stamp.side, f"{kind} of {picture}")


# The page.

RATIO = 2
SHAPES = """(() => {
    const middle = (node) => { const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
    const texts = [...document.querySelectorAll('#plot svg text')].filter((text) => /^[−\\d.]+$/.test(text.textContent));
    return {
        points: [...document.querySelectorAll('#plot .point')].map((point) => [point.classList[1], point.dataset.band, ...middle(point.lastElementChild)]),
        labels: texts.map((text) => [Number(text.textContent.replace('−', '-')), text.getAttribute('text-anchor'), ...middle(text)]),
        zero: [...document.querySelectorAll('#plot .zero')].map(middle),
        stamps: [...document.querySelectorAll('#stamp-images canvas')].map((canvas) => [...middle(canvas), canvas.width]),
    };
})()"""


def line_through(pairs, what, tolerance=0.6):
    """The linear function that maps first to second of each pair, within so many pixels, and its slope."""
    first, second = np.array(pairs, float).T
    slope, offset = np.polyfit(first, second, 1)
    worst = np.abs(slope * first + offset - second).max()
    assert worst < tolerance, f"{what} is not linear: {worst} pixels"
    return lambda value: slope * value + offset, slope


def screen(browser):
    with tempfile.TemporaryDirectory() as folder:
        browser.screenshot(pathlib.Path(folder) / "page.png")
        return np.asarray(Image.open(pathlib.Path(folder) / "page.png").convert("RGB"))


def compare_difference(browser, data, sign):
    """The difference of an alert of ZTF, shown with a sign."""
    stamp = Stamp(read(data), "Difference")
    stamp.greys = stamp.greys if sign > 0 else 255 - stamp.greys
    x, y, side = browser.run(SHAPES)["stamps"][2]
    stamp.compare(screen(browser), (RATIO * x - 0.5, RATIO * y - 0.5), side // stamp.side, f"difference with the sign {sign}")


def compare_page(browser, data):
    warnings.simplefilter("ignore")
    alert = read(data)
    is_ztf = "candidate" in alert
    shapes, pixels = browser.run(SHAPES), screen(browser)
    known = [BRIGHT, NEGATIVE, FAINT, PRESENT] if is_ztf else [(10, 20000.0), (6, -3000.0), (0, 5000.0)]
    drawn = sorted((x, y) for kind, _, x, y in shapes["points"] if kind == "detection")
    assert len(drawn) == len(known), shapes["points"]
    x_of, _ = line_through([(days, x) for (days, _), (x, _) in zip(known, drawn)], "time")
    # The middle of a triangle's box, which Rubin's bands have, is up to two pixels away from its place.
    marks = [(value, y) for (_, value), (_, y) in zip(known, drawn)]
    y_of, slope = line_through(marks, "brightness", 0.6 if is_ztf else 2.0)
    assert (slope > 0) == is_ztf, "magnitudes grow downwards, fluxes upwards"
    # The axes say the same as the points.
    sides = [(value, y) for value, anchor, _, y in shapes["labels"] if anchor == "end"]
    below = [(value, x) for value, anchor, x, _ in shapes["labels"] if anchor == "middle"]
    assert len(sides) >= 3 and len(below) >= 3, shapes["labels"]
    for value, y in sides:
        assert abs(y_of(value) - y) < 3, f"the label {value} stands at {y}, the value at {y_of(value)}"
    for mjd, x in below:
        assert abs(x_of(days_before(alert, mjd)) - x) < 3, f"the label {mjd} stands at {x}, the time at {x_of(days_before(alert, mjd))}"
    if is_ztf:
        compare_ztf_curve(Curve(pixels, lambda days: RATIO * x_of(days), lambda value: RATIO * y_of(value), RATIO * 4.5))
    else:
        (_, zero), = shapes["zero"]
        assert abs(zero - y_of(0)) < 2, (zero, y_of(0))
    for (x, y, side), kind in zip(shapes["stamps"], KINDS, strict=True):
        stamp = Stamp(alert, kind)
        middle = (RATIO * x - 0.5, RATIO * y - 0.5)
        stamp.compare(pixels, middle, side // stamp.side, f"{kind} on the page")
        if kind == "Science":
            corner = np.array([RATIO * x + side / 2, RATIO * y + side / 2]) - RATIO * 34
            for name, step in (("N", (0, -8)), ("E", (-8, 0))):
                column, row = np.round(corner + RATIO * np.array(step)).astype(int)
                assert is_near(pixels[row - 2 : row + 3, column - 2 : column + 3], ARROW).any(), f"there is no arrow to {name}"


if __name__ == "__main__":
    {"make": make, "png": png}[sys.argv[1]](*sys.argv[2:])

"""Compares what `fink view` serves with fastavro, numpy and astropy: view_oracle.py URL FOLDER."""

import base64
import gzip
import io
import json
import pathlib
import sys
import urllib.request
import warnings

import fastavro
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.visualization import ZScaleInterval
from astropy.wcs import WCS

KINDS = ("Science", "Template", "Difference")


def close(one, other, tolerance, what):
    assert abs(one - other) <= tolerance * max(1.0, abs(other)), f"{what}: {one}, not {other}"


def apparent(record):
    """Magnitude and flux (µJy) of reference and difference, by the ZTF Science Data System's supplement."""
    sign = -1 if record["isdiffpos"] in ("f", "0") else 1
    difference, reference = 10 ** (-0.4 * record["magpsf"]), 10 ** (-0.4 * record["magnr"])
    flux = reference + sign * difference
    error = np.hypot(record["sigmapsf"] / 1.0857 * difference, record["sigmagnr"] / 1.0857 * reference)
    return -2.5 * np.log10(flux) if flux > 0 else None, flux * 3631e6, error / flux * 1.0857


def ztf_points(alert):
    """By time and band: kind, first value, error, record."""
    points = {}
    for record in (alert["prv_candidates"] or []) + [alert["candidate"]]:
        key = (round(Time(record["jd"], format="jd").mjd, 6), "?gri"[record["fid"]])
        found = record["magpsf"] is not None
        points.setdefault(key, []).append(("detection" if found else "limit", record["magpsf"] if found else record["diffmaglim"], record["sigmapsf"], record))
    return points


def rubin_points(alert):
    points = {}
    lists = [("detection", alert.get("prvDiaSources")), ("forced", alert.get("prvDiaForcedSources")), ("detection", [alert["diaSource"]])]
    for kind, records in lists:
        for record in records or []:
            if record["psfFlux"] is None or not np.isfinite(record["psfFlux"]):
                continue
            mjd = Time(record["midpointMjdTai"], format="mjd", scale="tai").utc.mjd
            points.setdefault((round(mjd, 6), record["band"]), []).append((kind, record["psfFlux"], record["psfFluxErr"], record))
    return points


def compare_curve(alert, document, name):
    is_ztf = "candidate" in alert
    expected = ztf_points(alert) if is_ztf else rubin_points(alert)
    forced = alert.get("fp_hists") or []
    served = [point for point in document["curve"]["points"] if not (is_ztf and point["kind"] == "forced")]
    assert len(served) == len(expected) or forced or len(served) <= len(expected) + 2, (name, len(served), len(expected))
    for point in served:
        near = [key for key in expected if key[1] == point["band"] and abs(key[0] - point["mjd"]) < 1e-5]
        assert near, f"{name}: no record at {point['mjd']} in {point['band']}"
        candidates = [entry for key in near for entry in expected[key]]
        kind, value, error, record = next((entry for entry in candidates if entry[0] == point["kind"] and abs(entry[1] - point["values"][0][0]) < 1e-4 * max(1, abs(entry[1]))), candidates[0])
        assert kind == point["kind"], (name, point, candidates)
        close(point["values"][0][0], value, 1e-6, name)
        if error and np.isfinite(error) and kind != "limit":
            close(point["values"][0][1], error, 1e-5, name)
        views = [view["label"] for view in document["curve"]["views"]]
        if is_ztf and kind == "detection" and "DC magnitude" in views and point["values"][1]:
            magnitude, flux, sigma = apparent(record)
            close(point["values"][1][0], magnitude, 1e-5, name + " DC magnitude")
            close(point["values"][1][1], sigma, 1e-3, name + " DC error")
            close(point["values"][2][0], flux, 1e-5, name + " DC flux")
        if not is_ztf and "Science flux" in views and point["values"][2]:
            close(point["values"][2][0], 31.4 - 2.5 * np.log10(record["scienceFlux"]), 1e-6, name + " AB magnitude")
        if is_ztf and kind == "detection":
            assert point["negative"] == (record["isdiffpos"] in ("f", "0")), name
    present = [point for point in served if point["present"]]
    assert len(present) == 1, (name, present)


def compare_stamps(alert, document, name):
    for stamp in document["stamps"]:
        data = alert.get("cutout" + stamp["name"]) or alert["cutout_" + stamp["name"].lower()]
        data = data["stampData"] if isinstance(data, dict) else data
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        with fits.open(io.BytesIO(data), ignore_missing_simple=True) as units:
            images = [unit for unit in units if unit.data is not None and unit.data.ndim == 2]
            assert len(images) == len(stamp["units"]), name
            for image, unit in zip(images, stamp["units"]):
                pixels = image.data.astype("f4")
                served = np.frombuffer(base64.b64decode(unit["pixels"]), "<f4").reshape(unit["height"], unit["width"])
                missing = ~np.isfinite(pixels) | (np.abs(pixels) > 1e30)
                assert np.array_equal(served[~missing], pixels[~missing]) and np.isnan(served[missing]).all(), name
                if missing.all():
                    continue
                good = pixels[~missing]
                close(unit["median"], float(np.median(good)), 1e-5, name + " median")
                spread = float(good.max() - good.min())
                for got, wanted in zip(unit["zscale"], ZScaleInterval().get_limits(good.astype("f8"))):
                    assert abs(got - wanted) <= 1e-4 * spread + 1e-6, f"{name} zscale: {got}, not {wanted}"
                # ATLAS's reference point is degrees away, with distortions in between, which a stamp's orientation does without.
                if image.header.get("CRVAL1") is None or "PV1_1" in image.header:
                    continue
                header = image.header.copy()
                header.setdefault("CTYPE1", "RA---TAN")
                header.setdefault("CTYPE2", "DEC--TAN")
                x, y = 3.0, 7.0
                sky = WCS(header).celestial.pixel_to_world(x, y)
                (a, b), (c, d) = unit["wcs"]["matrix"]
                dx, dy = x - unit["wcs"]["pixel"][0], y - unit["wcs"]["pixel"][1]
                centre = SkyCoord(*unit["wcs"]["sky"], unit="deg")
                east, north = centre.spherical_offsets_to(sky)
                close(a * dx + b * dy, east.deg, 1e-7, name + " east")
                close(c * dx + d * dy, north.deg, 1e-7, name + " north")


def compare_head(alert, document, name):
    lines = {label: text for label, text, _ in document["lines"]}
    ra, dec = map(float, lines["RA Dec"].split())
    place = SkyCoord(ra, dec, unit="deg")
    assert SkyCoord(*lines["J2000"].split(), unit=("hourangle", "deg")).separation(place).arcsec < 0.05, (name, lines)
    longitude, latitude = map(float, lines["l b"].split())
    close(longitude, place.galactic.l.deg, 1e-4, name + " l")
    close(latitude, place.galactic.b.deg, 1e-4, name + " b")
    observed = Time(lines["observed"].removesuffix(" UTC"), scale="utc")
    wanted = Time(alert["candidate"]["jd"], format="jd") if "candidate" in alert else Time(alert["diaSource"]["midpointMjdTai"], format="mjd", scale="tai").utc
    assert abs((observed - wanted).sec) < 0.002, (name, lines["observed"], wanted.iso)


def orientation(alerts):
    """ZTF's stamps: at which of four places the template shows the nearest source of the reference image (`ranr`, `decnr`)."""
    found = {}
    for alert in alerts:
        candidate = alert.get("candidate") or {}
        if not (4 < (candidate.get("distnr") or 0) < 26):
            continue
        data = fits.open(io.BytesIO(gzip.decompress(alert["cutoutTemplate"]["stampData"])), ignore_missing_simple=True)[0].data
        if data.shape != (63, 63) or np.nanmin(data) < -1e30:
            continue
        east = (candidate["ranr"] - candidate["ra"]) * np.cos(np.radians(candidate["dec"])) * 3600 / 1.01
        north = (candidate["decnr"] - candidate["dec"]) * 3600 / 1.01
        noise = 1.4826 * np.nanmedian(np.abs(data - np.nanmedian(data)))
        for signs in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            x, y = round(31 + signs[0] * east), round(31 + signs[1] * north)
            if 1 < x < 61 and 1 < y < 61:
                found.setdefault(signs, []).append((np.nanmean(data[y - 1 : y + 2, x - 1 : x + 2]) - np.nanmedian(data)) / noise)
    return {signs: (len(values), float(np.median(values))) for signs, values in found.items()}


def main(url, folder):
    warnings.simplefilter("ignore")
    get = lambda path: json.load(urllib.request.urlopen(url + path))
    alerts = {}
    for file in sorted(pathlib.Path(folder).rglob("*.avro")):
        try:
            with open(file, "rb") as opened:
                read = list(fastavro.reader(opened))
        except Exception as error:
            print(f"{file}: fastavro cannot read it: {error}")
            continue
        for alert in read:
            identifier = alert["candid"] if "candidate" in alert else alert["diaSource"]["diaSourceId"]
            alerts[str(identifier)] = alert
    listed = get("alerts")["alerts"]
    compared = set()
    for item in listed:
        document = get(f"alert/{item['number']}")
        identifier = dict((label, text) for label, text, _ in document["lines"])["alert"]
        alert = alerts.get(identifier)
        if alert is None:
            continue
        compare_stamps(alert, document, identifier)
        compared.add(identifier)
        if document["survey"] == "":
            continue
        # Alerts of one object are merged: their points are more than those of the packet.
        if sum(other["object"] == item["object"] for other in listed) == 1:
            compare_curve(alert, document, identifier)
        compare_head(alert, document, identifier)
    assert compared == set(alerts), compared.symmetric_difference(alerts)
    seen = orientation(alerts.values())
    if seen and min(count for count, _ in seen.values()) >= 10:
        best = max(seen, key=lambda signs: seen[signs][1])
        assert best == (-1, -1), f"north is down and east is left in ZTF's stamps: {seen}"


if __name__ == "__main__":
    main(*sys.argv[1:])

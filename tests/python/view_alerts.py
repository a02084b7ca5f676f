"""Writes alerts that a page has to survive: view_alerts.py FOLDER. Each is made from a simulated ZTF alert in FOLDER/ztf."""

import gzip
import io
import pathlib
import sys

import fastavro
import numpy as np
from astropy.io import fits

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">\x1b[2J\u202eabc"


def stamp(write):
    """A gzipped FITS file with an asymmetric image: the brightest pixel is in row 5, column 50."""
    pixels = np.random.default_rng(1).normal(100, 5, (63, 63)).astype(">f4")
    pixels[5, 50] = 10_000
    buffer = io.BytesIO()
    fits.PrimaryHDU(write(pixels)).writeto(buffer)
    return buffer.getvalue()


def main(folder):
    source = sorted((folder / "ztf").glob("*.avro"))[0]
    with open(source, "rb") as file:
        reader = fastavro.reader(file)
        schema, alert = reader.writer_schema, next(iter(reader))

    def write(name, **changes):
        changed = {**alert, **changes}
        changed["candidate"] = {**alert["candidate"], **changes.get("candidate", {})}
        with open(folder / f"{name}.avro", "wb") as file:
            fastavro.writer(file, schema, [changed])

    def stamps(content):
        return {f"cutout{kind}": {"fileName": "x", "stampData": content} for kind in ("Science", "Template", "Difference")}

    plain = stamp(lambda pixels: pixels)
    write("hostile", objectId="ZTF18" + HOSTILE, publisher=HOSTILE * 4000, candidate={"pdiffimfilename": HOSTILE})
    write("bomb", objectId="ZTF18bomb", **stamps(gzip.compress(bytes(512 << 20), 9)))
    damaged = {kind: {"fileName": "x", "stampData": data} for kind, data in {
        "cutoutScience": gzip.compress(plain[:4000]), "cutoutTemplate": gzip.compress(plain)[:900], "cutoutDifference": b"GIF89a" + b"\0" * 99,
    }.items()}
    write("damaged", objectId="ZTF18damaged", **damaged)
    write("no_stamps", objectId="ZTF18nostamps", **dict.fromkeys(["cutoutScience", "cutoutTemplate", "cutoutDifference"]))
    write("no_history", objectId="ZTF18nohistory", prv_candidates=None)
    write("asymmetric", objectId="ZTF18asymmetric", **stamps(gzip.compress(plain)))
    unknown = {"type": "record", "name": "other", "fields": [
        {"name": "name", "type": "string"}, {"name": "mjd", "type": "double"}, {"name": "Mag", "type": "float"},
        {"name": "magerr", "type": "float"}, {"name": "filter", "type": "string"}, {"name": "big", "type": "long"}]}
    record = {"name": "object 1", "mjd": 60_000.25, "Mag": 17.5, "magerr": 0.1, "filter": "o", "big": 9_007_199_254_740_993}
    with open(folder / "unknown.avro", "wb") as file:
        fastavro.writer(file, unknown, [record])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

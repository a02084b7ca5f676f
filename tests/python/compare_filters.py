"""Runs every filter of PyPI's fink-filters (its `livestream` folders) in three ways over the same alerts and compares what is kept:
called in plain pandas, by `fink filter test`, and as a stream of `fink start distribution`.

usage: compare_filters.py FINK CONFIG FOLDER [--alerts N] [--survey ztf|rubin]

FINK is the program; CONFIG the `fink.toml` of a running `scripts/cluster`; FOLDER is made and filled. The interpreter is the one that has fink-filters. The alerts are made up: for each survey a schema with the columns that its filters ask for,
and values that lie on both sides of their conditions. Prints a line for each filter; exits with 1 where two ways differ.
"""

import argparse
import importlib
import inspect
import io
import json
import os
import pkgutil
import random
import subprocess
import sys
import warnings

import fastavro
import numpy as np
import pandas as pd

# Words that filters look for.
WORDS = {
    "cdsxmatch": ["Unknown", "Galaxy", "Blazar", "YSO", "Candidate_YSO", "TTau*", "gLens?", "Radio", "Star", "QSO", "CV*", "AMHer", "RRLyr", "GravLens", "LensedQ", "Fail"],
    "simbad_otype": [None, "Galaxy", "Star", "QSO", "Fail", "G"],
    "tns": ["", "AT", "SN Ia"],
    "tns_fullname": [None, "AT 2025abc", "SN 2025xyz"],
    "vsx_Type": [None, "RR", "AGN", "M"],
    "gaiadr3_DR3Name": [None, "Unknown", "Gaia DR3 4111"],
    "band": list("ugrizy"),
    "isdiffpos": ["t", "f", "1"],
    "objectId": [f"ZTF21aaaa{letter}" for letter in "abcdefgh"],
    "spicy_class": ["Unknown", "ClassI", "FS"],
}
# Numbers: lowest, highest; two integers make integers.
NUMBERS = {
    "jd": (2459990.0, 2460000.0),
    "jdstarthist": (2459940.0, 2459999.0),
    "fid": (1, 2),
    "magpsf": (15.0, 21.0),
    "sigmapsf": (0.01, 0.2),
    "roid": (0, 3),
    "ndethist": (1, 600),
    "ra": (0.0, 360.0),
    "dec": (-89.0, 89.0),
    "field": (300, 900),
    "diffmaglim": (18.0, 21.0),
    "magnr": (14.0, 22.0),
    "sigmagnr": (0.01, 0.2),
    "ssdistnr": (-999.0, 30.0),
    "mulens": (0.0, 1.0),
    "spicy_id": (-1, 3),
    "linear_fit_slope": (-0.5, 0.5),
    "midpointMjdTai": (60900.0, 60910.0),
    "firstDiaSourceMjdTaiFink": (60880.0, 60909.0),
    "psfFlux": (-2000.0, 60000.0),
    "psfFluxErr": (50.0, 900.0),
    "trailLength": (0.0, 4.0),
    "trailFlux": (-100.0, 3000.0),
    "mangrove_lum_dist": (-1.0, 200.0),
    "legacydr8_zphot": (-0.1, 0.5),
    "gaiadr3_Plx": (0.0, 10.0),
    "gaiadr3_e_Plx": (0.1, 2.0),
    "nDiaSources": (1, 12),
    "cats_class": (10, 13),
    "snr": (0.0, 100.0),
    "extendedness": (0.0, 1.0),
}
# Pictures for cutoutScience, made when astropy is there.
STAMPS = []
MOMENT = ["jd", "fid", "magpsf", "sigmapsf", "diffmaglim", "magnr", "sigmagnr", "isdiffpos"]
FLAGS = (
    "isDipole pixelFlags pixelFlags_bad pixelFlags_saturated pixelFlags_streakCenter pixelFlags_interpolated pixelFlags_cr "
    "pixelFlags_nodata pixelFlags_streak pixelFlags_edge psfFlux_flag apFlux_flag forced_PsfFlux_flag forced_PsfFlux_flag_edge "
    "shape_flag centroid_flag isNegative"
).split()
SOURCE = ["midpointMjdTai", "band", "psfFlux", "psfFluxErr", "ra", "dec", "trailLength", "trailFlux", "extendedness", "reliability", "snr",
          "scienceFlux", "scienceFluxErr", "templateFlux", "templateFluxErr"] + FLAGS
OBJECT = [f"{band}_psfFlux{what}" for band in "ugrizy" for what in ("Mean", "MeanErr", "Max", "Min", "Ndata")]
OBJECT = ["nDiaSources"] + OBJECT


def kind(name):
    """The Avro type of a made-up field."""
    if name in FLAGS or name == "is_sso":
        return "boolean"
    if name in WORDS and name not in NUMBERS:
        return ["null", "string"]
    low, _ = NUMBERS.get(name, (0.0, 1.0))
    return "long" if isinstance(low, int) else "double"


def value(name, dice):
    if kind(name) == "boolean":
        return dice.random() < (0.01 if name in FLAGS else 0.2)
    if name in WORDS and name not in NUMBERS:
        return dice.choice(WORDS[name])
    low, high = NUMBERS.get(name, (0.0, 60000.0) if "Flux" in name else (0.0, 1.0))
    return dice.randint(low, high) if isinstance(low, int) else dice.uniform(low, high)


def record(name, fields):
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind(field)} for field in fields]}


def values(fields, dice):
    return {field: value(field, dice) for field in fields}


def history(columns):
    """For an argument such as `cjdc`, the field in its middle."""
    return {name[1:-1] for name in columns if len(name) > 2 and name[0] == name[-1] == "c" and name[1:-1] in MOMENT}


def filters():
    """Yields (survey, module, function's name, function or None, why not)."""
    for survey in ("ztf", "rubin"):
        package = importlib.import_module(f"fink_filters.{survey}.livestream")
        for found in pkgutil.iter_modules(package.__path__):
            name = f"{package.__name__}.{found.name}.filter"
            try:
                module = importlib.import_module(name)
            except Exception as error:
                yield survey, name, "*", None, f"does not import: {type(error).__name__}: {error}"
                continue
            wanted = found.name.removeprefix("filter_")
            for known, function in vars(module).items():
                plain = function.func if hasattr(function, "returnType") else function
                own = inspect.isfunction(plain) and plain.__module__ == name
                if own and (hasattr(function, "returnType") or survey == "rubin" and known == wanted):
                    yield survey, name, known, plain, None


def alerts(survey, asked, count, dice):
    """A schema and alerts with the columns asked for."""
    simple = sorted(asked - {f"c{name}c" for name in MOMENT} - {"cstampDatac"})
    if survey == "ztf":
        inside = sorted(set(simple) & (set(MOMENT) | {"ra", "dec", "field", "drb", "classtar", "jdstarthist", "ndethist", "ssdistnr"}) | set(MOMENT))
        outside = [name for name in simple if name not in inside and name not in ("objectId", "linear_fit_slope")]
        moment = record("past", MOMENT)
        for field in moment["fields"]:
            if field["name"] in ("magpsf", "sigmapsf", "isdiffpos"):
                field["type"] = ["null", "string" if field["name"] == "isdiffpos" else "double"]
        cutout = {"type": "record", "name": "cutout", "fields": [{"name": "stampData", "type": "bytes"}]}
        fields = [("objectId", "string"), ("candid", "long"), ("candidate", record("candidate", inside)),
                  ("prv_candidates", ["null", {"type": "array", "items": moment}]), ("cutoutScience", ["null", cutout]),
                  ("lc_features_g", record("lc_g", ["linear_fit_slope"])), ("lc_features_r", record("lc_r", ["linear_fit_slope"]))]
        fields += [(name, kind(name)) for name in outside]

        galaxies, stars = known_galaxies(), known_stars()

        def make(number):
            past = None
            if dice.random() < 0.8:
                past = [values(MOMENT, dice) for _ in range(dice.randint(1, 8))]
                for one in past:
                    if dice.random() < 0.3:
                        one.update(magpsf=None, sigmapsf=None, isdiffpos=None)
            slope = lambda: {"linear_fit_slope": value("linear_fit_slope", dice)}
            alert = {"objectId": value("objectId", dice), "candid": number, "candidate": values(inside, dice), "prv_candidates": past,
                     "cutoutScience": {"stampData": b"stamp"}, "lc_features_g": slope(), "lc_features_r": slope(), **values(outside, dice)}
            if dice.random() < 0.3:
                young(alert, galaxies, dice)
            elif stars and dice.random() < 0.05:
                # Each star once: magnetic_cvs gives a star to one alert of a batch, so that its answers hang on what else is in the batch.
                ra, dec = stars.pop()
                alert["candidate"].update(ra=ra, dec=dec, isdiffpos="t")
            return alert
    else:
        outside = [name for name in simple if name not in ("diaSource", "diaObject", "prvDiaSources", "diaSourceId", "nDiaSources", "cutoutScience")]
        source = record("source", ["nothing"])
        source["fields"] = [{"name": field, "type": kind(field)} for field in SOURCE]
        fields = [("diaSourceId", "long"), ("diaObjectId", "long"), ("diaSource", source), ("diaObject", ["null", record("object", OBJECT)]),
                  ("prvDiaSources", ["null", {"type": "array", "items": "source"}]), ("cutoutScience", ["null", "bytes"]),
                  ("xm", record("xm", outside))]

        def make(number):
            there = dice.random() < 0.9
            past = [values(SOURCE, dice) for _ in range(dice.randint(1, 6))] if dice.random() < 0.8 else None
            return {"diaSourceId": number, "diaObjectId": number % 50, "diaSource": values(SOURCE, dice),
                    "diaObject": values(OBJECT, dice) if there else None, "prvDiaSources": past, "cutoutScience": dice.choice(STAMPS),
                    "xm": values(outside, dice)}

    schema = {"type": "record", "name": "alert", "fields": [{"name": name, "type": one} for name, one in fields]}
    return schema, [make(number) for number in range(1, count + 1)]


def young(alert, galaxies, dice):
    """Makes of an alert what filters for young transients look for: well detected, new, rising or fading steadily, near a galaxy of their
    catalog, and of no class."""
    now = alert["candidate"]
    galaxy = galaxies.iloc[dice.randrange(len(galaxies))]
    now.update(ra=float(galaxy.ra), dec=float(galaxy.dec), drb=dice.uniform(0.92, 1), classtar=dice.uniform(0.5, 1), ssdistnr=-999.0)
    now.update(magpsf=float(25 + 5 * np.log10(galaxy.lum_dist) - dice.uniform(15.2, 16.8)), sigmapsf=0.03, isdiffpos="t", fid=dice.choice([1, 2]))
    now.update(jdstarthist=now["jd"] - dice.choice([0.2, 3.0]), ndethist=dice.randint(1, 10))
    slope = dice.choice([0.4, -0.6])
    before = [(days, now["magpsf"] + days * slope + dice.uniform(-0.01, 0.01)) for days in (2.5, 2.0, 1.5, 1.0, 0.6)]
    alert["prv_candidates"] = [{**{key: now[key] for key in MOMENT}, "jd": now["jd"] - days, "magpsf": magnitude} for days, magnitude in before]
    alert.update({name: dice.choice(["Unknown", "Galaxy"]) for name in ["cdsxmatch"] if name in alert})
    alert.update({name: dice.randint(0, 1) for name in ["roid"] if name in alert})
    alert.update({name: 0.0 for name in ["mulens"] if name in alert})


def known_stars():
    """Where the magnetic cataclysmic variables are that fink-filters knows: right ascensions and declinations, in degrees."""
    from astropy.coordinates import SkyCoord

    folder = importlib.import_module("fink_filters").__path__[0]
    stars = pd.read_csv(os.path.join(folder, "data", "magnetic_cataclysmic_variables.csv"))
    places = SkyCoord(stars["RA(J2000)"].to_numpy(), stars["DEC(J2000)"].to_numpy(), unit=("hourangle", "deg"))
    return list(zip(places.ra.deg.tolist(), places.dec.deg.tolist()))


def known_galaxies():
    """The nearest galaxies of the catalog that fink-filters brings along: nearby ones, in front of which a kilonova would be bright."""
    folder = importlib.import_module("fink_filters").__path__[0]
    galaxies = pd.read_csv(os.path.join(folder, "data", "mangrove_filtered.csv"))
    return galaxies[galaxies.lum_dist.between(20, 150)]


def series(values):
    """As Spark gives a column: numbers as numbers, all else as objects, null as None."""
    numbers = all(isinstance(one, (bool, int, float)) for one in values)
    return pd.Series(values) if numbers else pd.Series(values, dtype=object)


def column(name, found):
    """The column of an argument in plain pandas."""
    if name in found[0] and not isinstance(found[0][name], dict) and name not in ("diaSource", "diaObject"):
        return series([alert[name] for alert in found])
    if name in ("diaSource", "diaObject"):
        fields = SOURCE if name == "diaSource" else OBJECT
        made = {}
        for field in fields:
            one = [None if alert[name] is None else alert[name][field] for alert in found]
            made[field] = pd.Series(one, dtype=float) if None in one and not isinstance(one[0], str) else series(one)
        return pd.DataFrame(made)
    if name == "cstampDatac":
        return series([alert["cutoutScience"]["stampData"] for alert in found])
    if name == "linear_fit_slope":
        return series([alert["lc_features_r"][name] for alert in found])
    for record in ("candidate", "xm"):
        if name in found[0].get(record, {}):
            return series([alert[record][name] for alert in found])
    if name == "nDiaSources":
        return pd.Series([(alert["diaObject"] or {}).get(name) for alert in found], dtype=float)
    field = name[1:-1]
    made = np.empty(len(found), dtype=object)
    for at, alert in enumerate(found):
        past = [one[field] for one in alert["prv_candidates"] or []] + [alert["candidate"][field]]
        made[at] = np.array(past, dtype=object if any(isinstance(one, str) for one in past) else float)
    return pd.Series(made, dtype=object)


def stamps():
    """A few pictures, of which the last shows a trail."""
    from astropy.io import fits

    made = []
    for length in (1, 3, 20):
        picture = np.random.default_rng(length).normal(0, 1, (30, 30))
        picture[14:17, 15 - length // 2 : 16 + length // 2] += 50
        out = io.BytesIO()
        fits.PrimaryHDU(picture).writeto(out)
        made.append(out.getvalue())
    return made


def identity(survey):
    return "candid" if survey == "ztf" else "diaSourceId"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("fink")
    parser.add_argument("config")
    parser.add_argument("folder")
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--survey", choices=["ztf", "rubin"], action="append", help="only this one; default: both")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    dice = random.Random(1)
    STAMPS.extend(stamps())
    found = list(filters())
    wrong, compared, cannot = 0, 0, []
    with open(given.config, encoding="utf-8") as file:
        servers = file.read().split("[distribution]")[0]
    os.environ["FINK_RUN_DIR"] = os.path.join(given.folder, "run")
    for survey in given.survey or ["ztf", "rubin"]:
        folder = os.path.abspath(os.path.join(given.folder, survey))
        os.makedirs(folder, exist_ok=True)
        good = [(name, known, plain) for of, name, known, plain, _ in found if of == survey and plain]
        cannot += [(f"{name}:{known}", why) for of, name, known, plain, why in found if of == survey and not plain]
        asked = {argument for _, _, plain in good for argument in inspect.signature(plain).parameters}
        schema, made = alerts(survey, asked, given.alerts, dice)
        path = os.path.join(folder, "alerts.avro")
        with open(path, "wb") as file:
            fastavro.writer(file, fastavro.parse_schema(schema), made)
        with open(path, "rb") as file:
            made = list(fastavro.reader(file))
        table = f"fink_compare_{survey}_{os.getpid()}"
        config = servers + f'[distribution]\nname = "{table}"\nrejected_topic = "{table}_rejected"\n'
        config += f'\n[filters]\npython = "{sys.executable}"\ntimeout = "120s"\n'
        plainly = {}
        for name, known, plain in good:
            try:
                arguments = {one: column(one, made) for one in inspect.signature(plain).parameters}
                kept = pd.Series(np.asarray(plain(**arguments)), dtype=object)
                if not kept.map(lambda one: isinstance(one, (bool, np.bool_))).all():
                    raise TypeError("its result has values that are not booleans")
                plainly[name, known] = {alert[identity(survey)] for alert, keep in zip(made, kept) if keep}
            except Exception as error:
                cannot.append((f"{name}:{known}", f"fails in plain pandas too: {type(error).__name__}: {str(error)[:150]}"))
        for name, known in plainly:
            config += f'\n[[stream]]\nname = "{known}"\ntopic = "{table}_{known}"\nfilters = ["{name}:{known}"]\n'
        config_path = os.path.join(folder, "fink.toml")
        with open(config_path, "w", encoding="utf-8") as file:
            file.write(config)
        fink = [given.fink, "-q", "-c", config_path]
        reader = ["--set", "kafka.username=finkConsumer"]
        reader += ["--set", f"kafka.password_file={os.path.dirname(os.path.abspath(given.config))}/secrets/consumer.password"]
        fink += ["--set", f"science_db.table={table}", "--set", f"science_db.catalog={folder}/catalog.json"]
        key = "objectId,candid" if survey == "ztf" else "diaSourceId"
        subprocess.run([*fink, "ingest", path, "--row-key", key], check=True, stdout=subprocess.DEVNULL)
        live = subprocess.run([*fink, "start", "distribution", "--until", "now"], check=False)
        if live.returncode:
            sys.exit("the live streams did not run")
        for (name, known), wanted in plainly.items():
            tried = subprocess.run([*fink, "filter", "test", f"{name}:{known}", path, "--format", "ndjson"], check=False, capture_output=True, text=True)
            tested = {json.loads(line)[identity(survey)] for line in tried.stdout.splitlines()}
            read = subprocess.run(
                [*fink, *reader, "start", "distribution_test", "--topic", f"{table}_{known}", "--from", "earliest", "--format", "ndjson",
                 "--expect", str(len(wanted)), "--exit-after", "20s"],
                check=False, capture_output=True, text=True)
            sent = [json.loads(line)["alert"][identity(survey)] for line in read.stdout.splitlines()]
            same = tried.returncode == 0 and tested == wanted and len(sent) == len(set(sent)) and set(sent) == wanted
            wrong, compared = wrong + (not same), compared + 1
            print(f"{'same  ' if same else 'DIFFER'} {survey} {known}: kept {len(wanted)} of {len(made)} in pandas, {len(tested)} by filter test, {len(sent)} on the topic")
            if tried.returncode:
                print(tried.stderr)
    for name, why in cannot:
        print(f"cannot run: {name}: {why}")
    print(f"{compared} filters compared, {wrong} differ, {len(cannot)} cannot run")
    sys.exit(1 if wrong or not compared else 0)


if __name__ == "__main__":
    main()

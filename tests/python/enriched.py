"""Reads enriched alerts as fink-client does, and shows each with its code.

usage: enriched.py ztf|lsst FOLDER

Checks that the columns are those that Fink adds and have values of their types; draws stamps and light curve of some alerts with fink-client's
viewer. Prints one JSON object: how many alerts there are, and how often each class and type occurs.
"""

import collections
import contextlib
import glob
import io
import json
import os
import sys

import fastavro

survey, folder = sys.argv[1:]

from fink_client.avro_utils import AlertReader
from fink_client.handlers import display_alerts_as_table
from fink_client.visualisation import extract_field, show_stamps

ZTF = (
    "brokerIngestTimestamp brokerStartProcessTimestamp fink_broker_version fink_science_version cdsxmatch tns DR3Name Plx e_Plx gaiaVarFlag "
    "gaiaClass vsx spicy_id spicy_class gcvs x3hsp x4lac mangrove roid rf_snia_vs_nonia snn_snia_vs_nonia snn_sn_vs_all mulens nalerthist "
    "rf_kn_vs_nonkn lc_features_g lc_features_r anomaly_score jd_first_real_det jdstarthist_dt mag_rate sigma_rate lower_rate upper_rate "
    "delta_time from_upper blazar_stats is_transient slsn_score tracklet brokerEndProcessTimestamp"
).split()
LSST = (
    "lsst_schema_version brokerIngestTimestamp brokerStartProcessTimestamp fink_broker_version fink_science_version publisher lc_features clf "
    "xm pred misc brokerEndProcessTimestamp"
).split()

alerts = AlertReader(folder).to_list()
first = glob.glob(os.path.join(folder, "*.avro"))[0]
with open(first, "rb") as file:
    names = [field["name"] for field in fastavro.reader(file).writer_schema["fields"]]
added = ZTF if survey == "ztf" else LSST
assert names[-len(added):] == added, names

counts = collections.Counter()
for number, alert in enumerate(alerts):
    if survey == "ztf":
        counts[alert["cdsxmatch"]] += 1
        counts[f"roid {alert['roid']}"] += 1
        assert alert["publisher"] == "Fink" and alert["nalerthist"] >= 1
        assert all(0 <= alert[name] <= 1 for name in ("rf_snia_vs_nonia", "snn_snia_vs_nonia", "snn_sn_vs_all", "rf_kn_vs_nonkn"))
        assert set(alert["mangrove"]) == {"HyperLEDA_name", "2MASS_name", "lum_dist", "ang_dist"}
        features = [alert["lc_features_g"], alert["lc_features_r"]]
        assert alert["candidate"]["fid"] == 3 or any(features)
        seen = extract_field(alert, "magpsf", current="candidate", previous="prv_candidates")
        jd, band = [extract_field(alert, name, current="candidate", previous="prv_candidates") for name in ("jd", "fid")]
        # The mean of a band is that of the detections in the alert.
        for fid, found in zip((1, 2), features):
            values = [value for value, of in zip(seen, band) if of == fid and value is not None]
            assert bool(values) == bool(found), (values, found)
            assert not values or abs(sum(values) / len(values) - found["mean"]) < 1e-3
    else:
        counts[alert["xm"]["simbad_otype"]] += 1
        counts[f"class {alert['clf']['cats_class']}"] += 1
        assert alert["pred"]["is_sso"] == (alert["ssSource"] is not None)
        assert alert["pred"]["is_first"] == (not alert["prvDiaSources"])
        times = [source["midpointMjdTai"] for source in [alert["diaSource"], *(alert["prvDiaSources"] or [])]]
        assert abs(alert["misc"]["firstDiaSourceMjdTaiFink"] - min(times)) < 1e-9
        fluxes = {}
        for source in [alert["diaSource"], *(alert["prvDiaSources"] or [])]:
            fluxes.setdefault(source["band"], []).append(source["psfFlux"])
        assert set(fluxes) == set(alert["lc_features"])
        for name, values in fluxes.items():
            mean = sum(values) / len(values)
            assert abs(alert["lc_features"][name]["mean"] - mean) < 1e-5 * max(1, *map(abs, values)), (values, mean)
    # fink-client cannot name a body of the solar system without an orbit.
    if survey == "ztf" or alert["diaObject"] or alert["mpc_orbits"]:
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            display_alerts_as_table(survey, "fink_topic", alert)
        assert len(shown.getvalue().splitlines()) == 5, shown.getvalue()
    if number < 3:
        show_stamps(alert, survey)
print(json.dumps({"alerts": len(alerts), "counts": {str(key): count for key, count in counts.most_common()}}))

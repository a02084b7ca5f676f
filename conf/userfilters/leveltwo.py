"""Filters for the streams of conf/fink.toml. The names of a filter's arguments are columns of the alerts."""

import pandas as pd


def sigmapsf_and_sgscore(sigmapsf: pd.Series, sgscore1: pd.Series) -> pd.Series:
    """Keeps precise measurements next to what looks like a star: the example of 2019."""
    return (sigmapsf < 0.1) & (sgscore1 >= 0.75)

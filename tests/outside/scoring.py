"""Scoring of a model of the shop, as the stage does it."""

from pathlib import Path

import polars as pl

from emm.data.tables.schema import Schema
from emm.outside.factories import trusting
from emm.outside.member import MemberDescription, read_member
from emm.outside.score import score
from emm.outside.settings import OutsideModel


def run(out: Path, of: OutsideModel, processed: Path, schema: Schema) -> MemberDescription:
    with trusting([of.factory] if of.factory else []):
        member = score(out, "risk", of, processed, schema, "conf: fusion.pool.risk")
    assert read_member(out) == member
    return member


def original(processed: Path, split: str) -> pl.DataFrame:
    return pl.read_parquet(processed / f"raw/{split}.parquet")

"""The texts that a CatBoost model knows as categories: its file has nothing but their hashes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from emm.core.errors import ModelFileError
from emm.data.tables.kinds import TEXT
from emm.outside.catboost import CatBoostScorer
from emm.outside.catboost_file import FACTOR, About, CatBoostTrees, Category, Statistic, read_json
from emm.outside.check import Opened
from emm.outside.typed import model_batches
from emm.trees.catboost_package import catboost_package
from emm.trees.native.files import damaged

_SPLITS = ("train", "validation")

Hashes = Mapping[int, Mapping[str, int]]
"""By feature: the hash of each text that may occur, as a number of 32 bits with a sign."""


def trees_and_hashes(
    scorer: CatBoostScorer, texts: Mapping[str, pl.Series]
) -> tuple[CatBoostTrees, Hashes]:
    """The trees of a model, and the texts that they can tell apart.

    ``texts``: of each input that is a category, those that there are, besides those that the file
    lists. Raises ModelFileError if the model knows a category that is none of these.
    """
    names = [each.name for each in scorer.inputs]
    trees = read_json(scorer.file, _described(scorer.model, [texts.get(n) for n in names]))
    listed = _listed(scorer.file)
    hashed = _hashed(scorer, texts, dict(trees.listed))
    known = {
        each: {text: hashed[text] for text in texts[names[each]]} | listed
        for each in trees.categories
    }
    for feature in trees.categories:
        _require_known(
            scorer.file, names[feature], trees, feature, known[feature], listed=bool(listed)
        )
    return trees, {each: _told_apart(trees, each, known[each]) for each in known}


def _hashed(
    scorer: CatBoostScorer, texts: Mapping[str, pl.Series], found: dict[str, int]
) -> dict[str, int]:
    """The hash of every text; ``found``: some of them. Of texts with one hash, a description lists
    only one."""
    names = [each.name for each in scorer.inputs]
    while lost := sorted({t for column in texts.values() for t in column if t not in found}):
        rest = {name: column.filter(column.is_in(lost)) for name, column in texts.items()}
        more = read_json(scorer.file, _described(scorer.model, [rest.get(n) for n in names]))
        if found.keys() >= more.listed.keys():
            raise damaged(scorer.file, f"catboost gives no hash of {lost[0]!r}")
        found |= more.listed
    return found


def known_texts(opened: Opened, processed: Path | None) -> dict[str, pl.Series]:
    """The texts of each input of a model that is a category, in train and validation of the
    ``processed`` data."""
    inputs = [each for each in opened.model.inputs if each.kind == TEXT]
    found = {each.name: pl.Series([], dtype=pl.String) for each in inputs}
    if processed is None or not found:
        return found
    for split in _SPLITS:
        rows = opened.split(processed, split)
        for batch in model_batches(rows, inputs, opened.matches.inputs):
            for name in found:
                found[name] = found[name].append(batch[name].drop_nulls()).unique()
    return {name: each.sort() for name, each in found.items()}


def _described(model: Any, texts: Sequence[pl.Series | None]) -> Any:
    """The JSON of a model; ``texts``: of each feature, those whose hashes it lists."""
    pandas_rows = max((len(each) for each in texts if each is not None), default=0)
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        pool = _pool(model, texts, max(pandas_rows, 1))
        model.save_model(str(path), format="json", pool=pool)
        return json.loads(path.read_bytes())


def _pool(model: Any, texts: Sequence[pl.Series | None], rows: int) -> Any:
    pandas = import_module("pandas")
    columns = [
        [0.0] * rows if each is None else [*each, *[""] * (rows - len(each))] for each in texts
    ]
    frame = pandas.DataFrame(dict(enumerate(columns)))
    frame.columns = model.feature_names_
    categories = model.get_cat_feature_indices()
    return catboost_package().Pool(frame, cat_features=categories)


def _listed(file: Path) -> dict[str, int]:
    """The texts that the file itself lists, with their hashes."""
    with file.open("rb") as start:
        if start.read(4) == b"CBM1":
            return {}
    return dict(read_json(file, json.loads(file.read_bytes())).listed)


def _require_known(
    file: Path,
    name: str,
    trees: CatBoostTrees,
    feature: int,
    known: Mapping[str, int],
    *,
    listed: bool,
) -> None:
    """Raise ModelFileError if a model knows categories of a feature whose texts aren't known."""
    asked = {value for values in _asked(trees, feature) for value in values}
    lost = len(asked - {*known.values()}) if asked or listed else None
    if lost == 0:
        return
    got = "categories in combinations only" if lost is None else f"{lost:,} of {len(asked):,}"
    raise ModelFileError(
        f"the model knows categories of {name!r} that no row of train or validation has, and its "
        "file has only their hashes",
        where=file,
        got=got,
        expected="their texts",
        next_step='save it with its training data, which lists them: model.save_model("model.json"'
        ', format="json", pool=train_pool)',
    )


def _asked(trees: CatBoostTrees, feature: int) -> Iterator[set[int]]:
    """The hashes of a feature's categories that are asked for one by one."""
    for each in trees.columns:
        if isinstance(each, Category) and each.feature == feature:
            yield {*each.hashes}
        if isinstance(each, Statistic):
            yield {known for number, known in each.about.equal if number == feature}
            if each.about == About((feature,)):
                yield {*_single(each)}


def _single(statistic: Statistic) -> Iterator[int]:
    """The hashes of the categories of a statistic that is about one feature."""
    inverse = pow(FACTOR, -1, 2**64)
    for value in statistic.hashes.tolist():
        text = value * inverse * inverse % 2**64
        yield (text + 2**31) % 2**32 - 2**31


def _told_apart(trees: CatBoostTrees, feature: int, known: Mapping[str, int]) -> Mapping[str, int]:
    """The texts that make a difference: all, if a statistic is about several things."""
    several = any(
        isinstance(each, Statistic)
        and feature in each.about.categories
        and (len(each.about.categories) > 1 or each.about.above or each.about.equal)
        for each in trees.columns
    )
    if several:
        return known
    asked = {value for values in _asked(trees, feature) for value in values}
    return {text: value for text, value in known.items() if value in asked}

"""From processed data to the results of a pool, by the stage."""

import importlib.util
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from emm.core.errors import DataError, ParamsError
from emm.data.tables.schema import load_schema, schema_hash
from emm.metrics.ranking import auc
from emm.regimes.fit import load_fits
from emm.regimes.members import train_members
from emm.regimes.methods import fit_fusions, joint_of
from emm.regimes.pages.page import write_page
from emm.regimes.results import load_results, results_file
from emm.regimes.rows import open_labels, open_table, open_test
from emm.regimes.settings import load_regimes
from tests.regimes.tiny_regimes import TREE, regimes, save_tiny

STAGE = Path("stages/regimes.py").resolve()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose models from scratch and pools are fitted."""
    root = tmp_path_factory.mktemp("study")
    save_tiny(root / "processed")
    (root / "regimes.yaml").write_text(yaml.safe_dump(TREE))
    spec = importlib.util.spec_from_file_location("regimes_stage", STAGE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for pool in ("scratch", "groups", "labels"):
            module.main("tiny", pool, root / "regimes.yaml", root / "processed")
    return root


def test_every_method_has_predictions_of_every_draw(study: Path) -> None:
    found = load_file(study / "data/tiny/groups/predictions.safetensors")
    methods = {key.split("/")[0] for key in found}
    assert methods == {"emm", "average", "logistic", "best", "routing"}
    assert len(found) == len(methods) * 2 * 2  # numbers of joint rows, draws
    assert all(each.shape == (400,) for each in found.values())


def test_scores_are_those_of_the_predictions(study: Path) -> None:
    schema = load_schema(study / "processed/tiny/schema.json")
    labels = open_labels(study / "processed/tiny", schema, "t0")
    found = load_file(study / "data/tiny/groups/predictions.safetensors")
    results = load_results(results_file(study, "tiny", "groups"))
    few, every = results.sizes
    assert (few.rows, few.all, every.rows, every.all) == (120, False, 300, True)
    for method, score in few.scores.items():
        if f"{method}/120/0" in found:
            expected = [auc(found[f"{method}/120/{draw}"], labels) for draw in (0, 1)]
            assert list(score.draws) == pytest.approx(expected)
            assert score.low < score.auc < score.high
    assert {"bagged_trees", "trees", "mmoe", "shared_bottom"} < set(few.scores)
    difference = few.differences["average"]
    expected_difference = few.scores["emm"].auc - few.scores["average"].auc
    assert difference.value == pytest.approx(expected_difference)
    assert difference.holm >= difference.p


def test_a_pool_without_groups_has_no_routing(study: Path) -> None:
    results = load_results(results_file(study, "tiny", "labels"))
    assert "routing" not in results.sizes[0].scores
    assert set(results.members) == {"own", "other"}


def test_the_page_has_a_figure_and_says_what_was_not_run(study: Path) -> None:
    write_page(load_regimes(study / "regimes.yaml"), study)
    page = (study / "report.md").read_text()
    assert "Not run: `tiny-columns`." in page
    assert (study / "report/groups.svg").exists()
    assert "## Two groups" in page
    assert "## Different columns" not in page


def test_routing_takes_the_member_of_the_group(study: Path) -> None:
    table, settings = open_table(study / "processed/tiny"), regimes()
    pool = settings.datasets["tiny"].pools["groups"]
    halves = table.halves(0)
    members = train_members(table, halves, pool, "t0")
    joint = joint_of(table, halves.draw_joint(120), "t0", 3, 0)
    methods, _ = fit_fusions(joint, members)
    test = open_test(table).task(0)
    ids = test.sparse[:, 0]
    one, two = (member(test) for member in members.own.values())
    others = torch.where(ids == 3, two, (one + two) / 2)  # rows of no group: the average
    expected = torch.where((ids == 1) | (ids == 2), one, others)
    torch.testing.assert_close(methods["routing"](test), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(methods["average"](test), ((one + two) / 2), atol=1e-6, rtol=1e-5)


def test_damaged_predictions_are_refused(study: Path, tmp_path: Path) -> None:
    source = study / "data/tiny/groups"
    identity = schema_hash(study / "processed/tiny/schema.json")
    load_fits(source, identity)
    with pytest.raises(DataError, match="another encoding"):
        load_fits(source, "0" * 64)
    (tmp_path / "about.json").write_bytes((source / "about.json").read_bytes())
    save_file({"x": torch.zeros(1)}, tmp_path / "predictions.safetensors")
    with pytest.raises(DataError, match="damaged"):
        load_fits(tmp_path, identity)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "regimes.yaml"
    file.write_text(yaml.safe_dump({**TREE, "pools": {"columns": "Different columns"}}))
    with pytest.raises(ParamsError, match="no pool is called 'groups'"):
        load_regimes(file)

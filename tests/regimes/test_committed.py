"""The committed regimes, the stages of their graph."""

from pathlib import Path

from emm.regimes.settings import load_regimes
from emm_dvc.graph import missing_code, read_stages

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "study/regimes"
REGIMES = load_regimes(FOLDER / "regimes.yaml")
STAGES = read_stages(FOLDER / "dvc.yaml")


def test_every_stage_depends_on_the_code_it_runs() -> None:
    assert missing_code(FOLDER / "dvc.yaml", ROOT) == []


def test_the_graph_fits_every_pool_of_every_dataset() -> None:
    assert STAGES["scratch"]["foreach"] == [*REGIMES.datasets]
    assert STAGES["fit"]["matrix"]["dataset"] == [*REGIMES.datasets]
    assert {*STAGES["fit"]["matrix"]["pool"]} == {*REGIMES.pools}
    for dataset in REGIMES.datasets.values():
        assert {*dataset.pools} == {*REGIMES.pools}


def test_its_data_is_that_of_the_many_tables() -> None:
    tables = read_stages(ROOT / "study/tables/dvc.yaml")
    assert {*REGIMES.datasets} <= {*tables["preprocess"]["foreach"]}


def test_numbers_of_rows_and_draws() -> None:
    assert REGIMES.sizes(99_762) == (500, 2000, 10_000, 50_000)
    assert REGIMES.sizes(16_280) == (500, 2000, 10_000, 16_280)
    assert [REGIMES.draws_of(rows) for rows in (500, 10_000, 28_870, 50_000)] == [5, 5, 3, 3]

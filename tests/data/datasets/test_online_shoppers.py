from pathlib import Path

from emm.data.datasets.online_shoppers import DATASET
from tests.data.datasets.reading import csv, labels, read

HEADER = (
    "Administrative,Administrative_Duration,Informational,Informational_Duration,ProductRelated,"
    "ProductRelated_Duration,BounceRates,ExitRates,PageValues,SpecialDay,Month,OperatingSystems,"
    "Browser,Region,TrafficType,VisitorType,Weekend,Revenue"
)


def session(value: str, revenue: str) -> str:
    return f"0,0,0,0,1,0,0.2,0.2,{value},0,June,1,1,1,1,Returning_Visitor,FALSE,{revenue}"


def files(*sessions: str) -> dict[str, str]:
    return {"online_shoppers_intention.csv": csv(HEADER, *sessions)}


def test_labels(tmp_path: Path) -> None:
    sessions = (session("0", "FALSE"), session("12.5", "False"), session("3", "TRUE"))
    rows, _ = read(DATASET, tmp_path, files(*sessions))
    assert labels(DATASET, rows, "value-page") == [0, 1, 1]
    assert labels(DATASET, rows, "revenue") == [0, 0, 1]


def test_no_purchase_without_a_page_of_value(tmp_path: Path) -> None:
    rows, rejected = read(DATASET, tmp_path, files(session("0", "TRUE"), session("1", "TRUE")))
    assert rows["PageValues"].to_list() == ["1"]
    assert not rejected


def test_an_unknown_label_is_kept_for_the_check_of_labels(tmp_path: Path) -> None:
    rows, _ = read(DATASET, tmp_path, files(session("x", "TRUE"), session("1", "maybe")))
    assert labels(DATASET, rows, "value-page") == [None, 1]
    assert labels(DATASET, rows, "revenue") == [1, None]


def test_what_reveals_a_label_is_no_feature() -> None:
    assert not {"PageValues", "Revenue"} & {*DATASET.dense, *DATASET.sparse}

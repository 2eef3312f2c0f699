"""Write the sample in examples/funnel: impressions of a shop, with clicks and purchases.

    python examples/make_funnel.py

The rows are drawn at random with a fixed seed. impressions.csv holds them as a shop would export
them; the other files are what preprocessing makes of them, and purchase.txt is a LightGBM model of
the purchases that was trained elsewhere, on the first half of train.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import lightgbm
import numpy as np
import polars as pl

from emm.data.custom.dataset import custom_dataset
from emm.data.custom.settings import CustomDataSettings, SplitSettings
from emm.data.prepare.preprocess import preprocess
from emm.data.tables.names import label_column
from emm.data.tables.schema import load_schema

OUT = Path(__file__).parent / "funnel"
ROWS, USERS, ITEMS, DAYS = 8_000, 300, 120, 28
MOST_IDS = 255  # of a column that trees may split by sets of its ids
CUSTOM = CustomDataSettings(
    tasks={"click": "clicked", "purchase": "bought"},
    files=("impressions.csv",),
    split=SplitSettings(by="time", column="day", validation=0.15, test=0.15),
)


def impressions() -> pl.DataFrame:
    """A click depends on the user, the item, the hour and the price; a purchase on these and the
    discount."""
    draw = np.random.default_rng(0)
    user, item = draw.integers(0, USERS, ROWS), draw.integers(0, ITEMS, ROWS)
    taste, appeal = draw.normal(0, 0.8, USERS), draw.normal(0, 0.8, ITEMS)
    category, price = draw.integers(0, 8, ITEMS), draw.lognormal(3, 0.6, ITEMS).round(2)
    device, hour = draw.integers(0, 3, ROWS), draw.integers(0, 24, ROWS)
    discount = draw.choice([0.0, 0.0, 0.05, 0.1, 0.2], ROWS)
    budget = draw.normal(0, 0.7, USERS)
    dear = (np.log(price[item]) - 3) / 0.6
    evening = np.sin((hour - 14) / 24 * 2 * np.pi)
    fits = ((category[item] + device) % 4 == 0) * 0.9
    click = taste[user] + appeal[item] + 0.6 * evening + fits - 0.25 * dear**2 - 0.9
    purchase = 0.7 * taste[user] + budget[user] + 0.6 * appeal[item]
    purchase += 9 * discount - 0.7 * dear + 0.5 * fits - 1.2
    clicked = draw.random(ROWS) < 1 / (1 + np.exp(-click))
    bought = clicked & (draw.random(ROWS) < 1 / (1 + np.exp(-purchase)))
    return pl.DataFrame(
        {
            "day": [f"2026-03-{day:02}" for day in np.sort(draw.integers(1, DAYS + 1, ROWS))],
            "user": [f"u{number}" for number in user],
            "item": [f"i{number}" for number in item],
            "category": [f"c{number}" for number in category[item]],
            "device": [("phone", "desktop", "tablet")[number] for number in device],
            "hour": hour,
            "price": price[item],
            "discount": discount,
            "clicked": clicked.astype(int),
            "bought": bought.astype(int),
        }
    )


def train_trees() -> lightgbm.Booster:
    """Boosted trees of the purchases, on the first half of train."""
    schema = load_schema(OUT / "schema.json")
    columns = [*schema.dense_names, *schema.sparse_names]
    train = pl.read_parquet(OUT / "train.parquet").head(ROWS * 35 // 100)
    data = lightgbm.Dataset(
        train.select(columns).to_numpy(),
        train[label_column("purchase")].to_numpy(),
        feature_name=columns,
        categorical_feature=[each.name for each in schema.sparse if each.cardinality <= MOST_IDS],
    )
    settings = {"objective": "binary", "num_leaves": 4, "learning_rate": 0.08, "seed": 0}
    settings |= {"min_data_in_leaf": 20, "deterministic": True, "num_threads": 1, "verbosity": -1}
    return lightgbm.train(settings, data, num_boost_round=100)


def main() -> None:
    """Write every file of examples/funnel."""
    OUT.mkdir(exist_ok=True)
    impressions().write_csv(OUT / "impressions.csv")
    with TemporaryDirectory() as folder:
        preprocess(
            custom_dataset("funnel", CUSTOM, OUT, config="examples/make_funnel.py"),
            OUT,
            OUT,
            tasks=list(CUSTOM.tasks),
            seed=0,
            rare_below=1,
            rejected=Path(folder) / "rejected.jsonl",
            funnel=["click", "purchase"],
        )
    train_trees().save_model(OUT / "purchase.txt")


if __name__ == "__main__":
    main()

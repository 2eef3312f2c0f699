"""Write the tables of the examples: data as companies have it, drawn at random with a fixed seed.

python examples/make_tables.py
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

HERE = Path(__file__).parent
ROWS = 5_000

Columns = Mapping[str, Iterable[Any]]
Array = NDArray[Any]


def loans() -> Columns:
    """Applications: default is known for granted loans only, fraud for reviewed ones only."""
    draw = np.random.default_rng(1)
    income, age = draw.lognormal(10.2, 0.5, ROWS).round(-1), draw.integers(18, 80, ROWS)
    channel, region = draw.integers(0, 3, ROWS), draw.integers(0, 12, ROWS)
    amount = (income * draw.uniform(0.05, 0.9, ROWS)).round(-1)
    burden = amount / income
    risk = 3 * burden - 0.02 * (age - 40) + 0.3 * draw.normal(0, 1, 12)[region] - 2.6
    lie = 1.5 * (channel == 2) + 1.2 * burden + 0.4 * draw.normal(0, 1, 12)[region] - 3
    granted, reviewed = chance(draw, 1.2 - 0.5 * risk), chance(draw, 0.8 * lie + 1.2)
    return {
        "income": income,
        "age": age,
        "amount": amount,
        "channel": choose(channel, "branch", "phone", "web"),
        "region": [f"r{number:02}" for number in region],
        "defaulted": where(granted, chance(draw, risk).astype(int)),
        "fraud": where(reviewed, chance(draw, lie).astype(int)),
    }


def parcels() -> Columns:
    """Parcels: what became of each is one of three classes; whether it came late is yes or no."""
    draw = np.random.default_rng(2)
    price, weight = draw.lognormal(3.4, 0.7, ROWS).round(2), draw.gamma(2, 1.5, ROWS).round(1)
    kind, carrier = draw.integers(0, 4, ROWS), draw.integers(0, 3, ROWS)
    size, distance = draw.integers(34, 50, ROWS), draw.integers(5, 900, ROWS)
    late = chance(draw, 0.003 * distance + 0.9 * (carrier == 1) + 0.15 * weight - 3)
    clothes = kind == 0
    exchanged = 1.6 * clothes + 0.25 * np.abs(size - 42) * clothes - 2.3
    returned = 0.6 * late + 0.5 * (np.log(price) - 3.4) + 0.5 * clothes - 1.4
    noise = draw.gumbel(0, 1, (3, ROWS))
    outcome = (np.stack([np.zeros(ROWS), exchanged, returned]) + noise).argmax(0)
    return {
        "price": price,
        "weight_kg": weight,
        "size": size,
        "distance_km": distance,
        "kind": choose(kind, "clothes", "books", "toys", "garden"),
        "carrier": choose(carrier, "post", "courier", "pick-up"),
        "late": choose(late.astype(int), "no", "yes"),
        "outcome": choose(outcome, "kept", "exchanged", "returned"),
    }


def tickets() -> Columns:
    """Support tickets with what the customer wrote: quotes, separators and line breaks in it."""
    draw = np.random.default_rng(3)
    topic, plan = draw.integers(0, 4, ROWS), draw.integers(0, 3, ROWS)
    wait, spent = draw.gamma(2, 12, ROWS).round(1), draw.lognormal(4, 1, ROWS).round(2)
    angry = chance(draw, 0.04 * wait - 1.5 + 0.5 * (topic == 1))
    escalated = chance(draw, 1.6 * angry + 0.03 * wait + 0.5 * (plan == 2) - 3.2)
    solved = chance(draw, 1.4 - 0.9 * (topic == 3) - 0.03 * wait - 0.8 * angry)
    opening = ["Hello,", 'I wrote "urgent" before;', "Dear support", ""]
    closing = ["Thanks", "Regards;\nThe customer", 'They said: "wait"', "\n\n-- sent from a phone"]
    first, last = draw.integers(0, 4, ROWS), draw.integers(0, 4, ROWS)
    texts = [
        f"{opening[a]}\nline two; with a semicolon{' !!!' * bool(c)}\n{closing[b]}"
        for a, b, c in zip(first, last, angry, strict=True)
    ]
    return {
        "message": texts,
        "topic": choose(topic, "billing", "outage", "how-to", "other; unclear"),
        "plan": choose(plan, "free", "team", "company"),
        "wait_minutes": decimal_comma(wait),
        "spent": decimal_comma(spent),
        "exclamations": [text.count("!") for text in texts],
        "escalated": choose(escalated.astype(int), "N", "Y"),
        "solved": choose(solved.astype(int), "N", "Y"),
    }


def visits() -> Columns:
    """Impressions of a shop by user and time; a purchase is known of clicked impressions only."""
    draw = np.random.default_rng(4)
    users, items = 400, 100
    user, item = draw.integers(0, users, ROWS), draw.integers(0, items, ROWS)
    taste, appeal = draw.normal(0, 0.8, users)[user], draw.normal(0, 0.8, items)[item]
    price, device = draw.lognormal(3, 0.6, items).round(2)[item], draw.integers(0, 3, ROWS)
    second = np.sort(draw.integers(0, 28 * 24 * 3600, ROWS))
    hour = second // 3600 % 24
    time = np.datetime64("2026-03-02T00:00:00") + second.astype("timedelta64[s]")
    clicked = chance(draw, taste + appeal + 0.6 * np.sin((hour - 14) / 12 * np.pi) - 0.6)
    wish = 0.8 * taste + 0.6 * appeal - 0.8 * (np.log(price) - 3) + 0.6 * (device == 1) - 0.5
    return {
        "time": [str(each).replace("T", " ") for each in time],
        "user": [f"u{number}" for number in user],
        "item": [f"i{number}" for number in item],
        "price": price,
        "device": choose(device, "phone", "desktop", "tablet"),
        "clicked": clicked.astype(int),
        "bought": where(clicked, chance(draw, wish).astype(int)),
    }


TABLES = {
    "missing-labels/loans.csv": (loans, ","),
    "classes/parcels.csv": (parcels, ","),
    "quoted-text/tickets.csv": (tickets, ";"),
    "user-funnel/visits.csv": (visits, ","),
}


def chance(draw: Generator, logits: Array) -> Array:
    """True with the probabilities of ``logits``."""
    return draw.random(len(logits)) < 1 / (1 + np.exp(-logits))


def choose(numbers: Array, *names: str) -> list[str]:
    return [names[number] for number in numbers]


def where(known: Array, values: Array) -> list[Any]:
    """The values where they are known, and nothing elsewhere."""
    return [value if seen else "" for seen, value in zip(known, values, strict=True)]


def decimal_comma(values: Array) -> list[str]:
    return [str(value).replace(".", ",") for value in values]


def write(path: Path, columns: Columns, separator: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def main() -> None:
    """Write the table of every example."""
    for name, (make, separator) in TABLES.items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        write(path, make(), separator)


if __name__ == "__main__":
    main()

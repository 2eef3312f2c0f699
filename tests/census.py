"""Small generated files in the raw format of Census-Income, with labels that can be learned."""

from pathlib import Path

import numpy as np

from emm.data.datasets.census_income import DATASET

COLUMNS = 42
STATUSES = ("Never married", "Divorced", "Widowed", "Married-civilian spouse present")
COUNTRIES = ("United-States", "Mexico", "?")


def lines(rows: int, seed: int) -> list[str]:
    """``rows`` lines of 42 fields; age drives marital status, weeks worked and education income."""
    generator = np.random.default_rng(seed)
    age = generator.integers(0, 91, rows)
    weeks = generator.integers(0, 53, rows)
    education = generator.integers(0, 5, rows)
    income = generator.normal(weeks / 20 + education / 2, 1.0) > 3.2
    single = generator.normal(age, 12.0) < 30
    noise = generator.integers(0, 3, (rows, COLUMNS))
    made = []
    for row in range(rows):
        fields = [f"value {n}" for n in noise[row]]
        for place in (5, 16, 17, 18, 24, 30):
            fields[place] = str(int(noise[row, place]) * 100)
        fields[24] = str(int(noise[row, 24]) * 100 + 50)
        fields[0], fields[39], fields[4] = str(age[row]), str(weeks[row]), f"grade {education[row]}"
        fields[7] = STATUSES[0] if single[row] else STATUSES[1 + int(noise[row, 7])]
        fields[31] = COUNTRIES[noise[row, 31]]
        fields[41] = "50000+." if income[row] else "- 50000."
        made.append(", ".join(fields))
    return made


def write_raw(folder: Path, train: int = 600, test: int = 400) -> None:
    """Both raw files of the dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [file.name for file in DATASET.source.files]
    for seed, (name, rows) in enumerate(zip(names, (train, test), strict=True)):
        (folder / name).write_text("\n".join(lines(rows, seed)) + "\n", encoding="utf-8")

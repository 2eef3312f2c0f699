import numpy as np
import pytest

from emm.core.errors import ParamsError
from emm.training.weighting import make_weighting
from tests.training.weighting.toy import followed, random_rows

SCALES = {
    "min": lambda values: values.min(),
    "median": lambda values: np.sqrt(np.sort(values**2)[(len(values) - 1) // 2]),
    "rmse": lambda values: np.sqrt(np.mean(values**2)),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("tasks", [2, 3, 4])
def test_all_singular_values_of_the_gradients_are_one_of_them(scale: str, tasks: int) -> None:
    rows = random_rows(tasks, seed=tasks)
    left, values, right = np.linalg.svd(rows, full_matrices=False)
    expected = (SCALES[scale](values) * left @ right).mean(axis=0)
    found = followed(make_weighting(tasks, "aligned-mtl", scale=scale), rows)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_another_scale_is_an_error() -> None:
    with pytest.raises(ParamsError, match=r"weighting\.scale: got 'max'"):
        make_weighting(2, "aligned-mtl", scale="max")

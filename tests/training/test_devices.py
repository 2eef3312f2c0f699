import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from emm.core.errors import ParamsError
from emm.training.devices import resolve_device, use_device


def test_auto_is_cuda_if_present(monkeypatch: pytest.MonkeyPatch) -> None:
    for present, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert resolve_device("auto").type == kind


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_a_missing_device_is_an_error(name: str) -> None:
    with pytest.raises(ParamsError, match="can't be used here"):
        resolve_device(name)


def test_threads_are_set() -> None:
    before = torch.get_num_threads()
    try:
        with threadpool_limits(2, user_api="blas"):
            use_device("cpu", 1)
            assert torch.get_num_threads() == 1
            # Last digits of NumPy's products depend on it, too.
            blas = [each for each in threadpool_info() if each["user_api"] == "blas"]
            assert {each["num_threads"] for each in blas} == {1}
    finally:
        torch.set_num_threads(before)

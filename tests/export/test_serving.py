"""An exported model behind KServe's model server, on loopback."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from emm.export.signature import BundleSignature, read_signature
from tests.export.serving import PYTHON, Client, body_of, python_with_kserve, served

CLIENTS = 100

needs_kserve = pytest.mark.skipif(
    python_with_kserve() is None,
    reason=f"the extra `serve` isn't installed: {PYTHON} may name a Python that has it",
)


@pytest.fixture(scope="module")
def signature(bundle: Path) -> BundleSignature:
    return read_signature(bundle)


@pytest.fixture(scope="module")
def golden(bundle: Path) -> pl.DataFrame:
    return pl.read_parquet(bundle / "golden.parquet")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served") / "log.txt"


@pytest.fixture(scope="module")
def client(bundle: Path, log: Path) -> Iterator[Client]:
    python = python_with_kserve()
    if python is None:
        pytest.skip("the extra `serve` isn't installed")
    with served(python, bundle, log) as found:
        yield found


def differences(
    signature: BundleSignature, rows: pl.DataFrame, answer: dict[str, Any]
) -> Iterator[float]:
    """The largest difference of each output from the golden predictions, over its tolerance."""
    for output, found in zip(signature.outputs, answer["outputs"], strict=True):
        assert found["name"] == output.name
        values = np.reshape(found["data"], found["shape"])
        expected = np.reshape(rows[output.name].to_list(), values.shape)
        yield float(np.abs(values - expected).max()) / output.tolerance


pytestmark = [pytest.mark.slow, needs_kserve]


def test_the_address_is_on_loopback_and_has_the_models_name(client: Client) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v2/models/gbdt", client.address)


def test_server_and_model_say_that_they_are_ready(client: Client) -> None:
    assert client.server("/v2/health/ready") == (200, {"ready": True})
    assert client.get("/ready") == (200, {"name": "gbdt", "ready": True})


def test_the_metadata_names_every_raw_column_and_every_output(
    client: Client, signature: BundleSignature
) -> None:
    status, found = client.get()
    assert status == 200
    assert [each["name"] for each in found["inputs"]] == [t.column for t in signature.inputs]
    kinds = {each["name"]: (each["datatype"], each["shape"]) for each in found["inputs"]}
    assert kinds["price"] == ("FP64", [-1, 1])
    assert kinds["zip code"] == ("BYTES", [-1, 1])
    assert kinds["genres"] == ("BYTES", [-1, -1])
    outputs = {each["name"]: (each["datatype"], each["shape"]) for each in found["outputs"]}
    assert outputs["probability_size"] == ("FP32", [-1, 3])
    assert outputs["value_spent"] == ("FP64", [-1, 1])


def test_the_answers_are_the_golden_predictions(
    client: Client, signature: BundleSignature, golden: pl.DataFrame
) -> None:
    status, answer = client.infer(body_of(signature, golden))
    assert status == 200
    assert max(differences(signature, golden, answer)) <= 1


def test_the_outputs_that_are_asked_for_are_given(
    client: Client, signature: BundleSignature, golden: pl.DataFrame
) -> None:
    wanted = [{"name": "ctcvr"}, {"name": "value_spent"}]
    _, answer = client.infer({**body_of(signature, golden[:2]), "outputs": wanted, "id": "mine"})
    assert [each["name"] for each in answer["outputs"]] == ["ctcvr", "value_spent"]
    assert answer["id"] == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b["inputs"].pop(0), "the column '{first}' is missing"),
        (lambda b: b["inputs"][0].update(datatype="BOOL"), "the column '{first}' has the datatype"),
        (lambda b: b["inputs"][0].update(data=[[1]]), "the column '{first}' has the shape"),
        (lambda b: b["inputs"][0].update(data=["x", {}]), "the column '{first}' has "),
        (lambda b: b.update(outputs=[{"name": "x"}]), "there is no output 'x'"),
    ],
)
def test_a_request_that_cannot_be_answered_names_the_column(
    client: Client,
    signature: BundleSignature,
    golden: pl.DataFrame,
    change: Any,
    message: str,
) -> None:
    body = body_of(signature, golden[:2])
    change(body)
    status, answer = client.infer(body)
    assert status == 400
    assert message.format(first=signature.inputs[0].column) in answer["error"]


def test_a_request_of_another_form_is_refused(client: Client) -> None:
    assert client.infer({"inputs": 3})[0] == 422


def test_a_hundred_clients_at_once_get_their_own_rows(
    client: Client, signature: BundleSignature, golden: pl.DataFrame
) -> None:
    def ask(number: int) -> float:
        rows = golden.slice(7 * number % len(golden), 1 + number % 5)
        status, answer = client.infer(body_of(signature, rows))
        assert status == 200
        return max(differences(signature, rows, answer))

    with ThreadPoolExecutor(CLIENTS) as clients:
        assert max(clients.map(ask, range(4 * CLIENTS))) <= 1


def test_it_ends_without_error_when_it_is_told_to_stop(bundle: Path, tmp_path: Path) -> None:
    python = python_with_kserve() or ""
    with served(python, bundle, tmp_path / "log", "--name", "mine") as client:
        assert client.get("/ready")[1] == {"name": "mine", "ready": True}
    assert client.process.returncode == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_port_that_is_taken_is_named(client: Client, bundle: Path, tmp_path: Path) -> None:
    port = re.search(r":(\d+)/", client.address)
    assert port is not None
    python = python_with_kserve() or ""
    with (
        pytest.raises(AssertionError, match=f"can't listen on 127.0.0.1, port {port[1]}"),
        served(python, bundle, tmp_path / "log", "--port", port[1]),
    ):
        pass


def test_the_process_has_no_torch(client: Client) -> None:
    maps = Path(f"/proc/{client.process.pid}/maps").read_text()
    assert "onnxruntime" in maps
    assert "libtorch" not in maps

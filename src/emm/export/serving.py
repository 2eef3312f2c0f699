"""Serve an exported model by KServe's model server, which speaks the Open Inference Protocol (v2).

Nothing here needs torch: the extra `serve` is enough.
"""

import asyncio
import contextlib
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from emm.core.errors import ModelFileError, ParamsError
from emm.core.progress import say
from emm.export.request import Given, RequestError, datatype, tensors
from emm.export.signature import MODEL, BundleSignature, read_signature

LOOPBACK = "127.0.0.1"
_OUTPUTS = {"float32": "FP32", "float64": "FP64"}


def serve(folder: Path, host: str, port: int, name: str, threads: int) -> None:
    """Answer requests until the process is stopped.

    ``name``: of the model in addresses, by default that of the row; ``threads``: of onnxruntime for
    one request. Raises ModelFileError for a folder that isn't an export or was altered, ParamsError
    if a package is missing or the port is taken.
    """
    kserve, rest = _library("kserve"), _library("kserve.protocol.rest.server")
    signature = read_signature(folder)
    model = _served(kserve, name or signature.source["model"], signature, _session(folder, threads))
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    server = kserve.ModelServer(http_port=port, enable_grpc=False, enable_latency_logging=False)
    server.register_model(model)
    web = rest.RESTServer(
        "kserve.model_server:app", server.dataplane, server.model_repository_extension, port
    )
    shown = f"[{host}]" if ":" in host else host
    say(f"{signature.name}: http://{shown}:{port}/v2/models/{model.name}")
    with contextlib.suppress(KeyboardInterrupt):  # how it is stopped
        web.run(sockets=[listening])


def _served(kserve: Any, name: str, signature: BundleSignature, session: Any) -> Any:
    """The model as KServe calls it."""
    infer_type = _library("kserve.protocol.infer_type")
    outputs = {each.name: each for each in signature.outputs}

    class Served(kserve.Model):  # type: ignore[misc]
        """The exported model: raw columns in, logits and probabilities out."""

        def __init__(self) -> None:
            super().__init__(name)
            self.ready = True

        def get_input_types(self) -> list[dict[str, Any]]:
            return [
                _tensor(each.column, datatype(each), -1 if each.role == "bag" else 1)
                for each in signature.inputs
            ]

        def get_output_types(self) -> list[dict[str, Any]]:
            return [_tensor(o.name, _OUTPUTS[o.type], o.width) for o in outputs.values()]

        async def predict(self, payload: Any, headers: Any = None) -> Any:
            # In a thread, so that a large request doesn't hold up the others.
            return await asyncio.to_thread(self._predict, payload)

        def _predict(self, payload: Any) -> Any:
            if not isinstance(payload, infer_type.InferRequest):
                raise kserve.errors.InvalidInput(f"expected a request to /v2/models/{name}/infer")
            try:
                found = _answer(signature, session, payload)
            except RequestError as error:
                raise kserve.errors.InvalidInput(str(error)) from error
            made = [_output(infer_type, outputs[name], values) for name, values in found.items()]
            return infer_type.InferResponse(payload.id or uuid4().hex, name, made)

    return Served()


def _output(infer_type: Any, output: Any, values: Any) -> Any:
    made = infer_type.InferOutput(output.name, list(values.shape), _OUTPUTS[output.type])
    made.set_data_from_numpy(values, binary_data=False)
    return made


def _answer(signature: BundleSignature, session: Any, payload: Any) -> dict[str, Any]:
    """The outputs that a request asks for, by default all. Raises RequestError."""
    known = [each.name for each in signature.outputs]
    wanted = [each.name for each in payload.request_outputs or ()] or known
    feed = tensors(signature, {i.name: Given(i.shape, i.datatype, i.data) for i in payload.inputs})
    for each in wanted:
        if each not in known:
            raise RequestError(f"there is no output {each!r}; known: {', '.join(known)}")
    return dict(zip(wanted, session.run(wanted, feed), strict=True))


def _tensor(name: str, kind: str, width: int) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": [-1, width]}


def _session(folder: Path, threads: int) -> Any:
    runtime = _library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return runtime.InferenceSession(
            str(folder / MODEL), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has a kind of its own for each cause
        raise ModelFileError(
            f"onnxruntime can't load {folder / MODEL}",
            where=folder,
            got=str(error).strip().partition("\n")[0][:300],
            next_step="pip install -U onnxruntime, or export the model again",
        ) from error


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free. Raises ParamsError."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except OSError as error:
        raise ParamsError(
            f"emm serve can't listen on {host}, port {port}",
            got=error.strerror or str(error),
            next_step="stop what listens there, or name another port: --port",
        ) from error


def _library(name: str) -> Any:
    arguments, sys.argv = sys.argv, sys.argv[:1]  # KServe reads options of its own from it
    try:
        return import_module(name)
    except ImportError as error:
        raise ParamsError(
            f"emm serve needs the package {name.partition('.')[0]}, which isn't installed",
            got=str(error),
            expected="the extra `serve` of this project",
            next_step='pip install -e ".[serve]", in an environment of its own',
        ) from error
    finally:
        sys.argv = arguments

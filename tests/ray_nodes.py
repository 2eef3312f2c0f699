"""A Ray cluster of two nodes with one processor each, for the tests that need one."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 240
NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def two_nodes(folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a cluster that runs in ``folder``, with these environment variables."""
    with subprocess.Popen(
        [sys.executable, "-c", NODES],
        cwd=folder,
        env=None if variables is None else dict(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield next(line for line in process.stdout if ":" in line).strip()
        process.communicate(timeout=PATIENCE)

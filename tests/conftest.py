"""The kernels of this process: those of stages, so that a test may compare bits with a stage's."""

from emm.core.kernels import use_portable_kernels, use_portable_numpy

use_portable_numpy()
use_portable_kernels()

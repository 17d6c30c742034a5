"""The MXNet backend: nets become Gluon `HybridBlock`s. Written for MXNet 1.9.1, its last release.

Gluon's modes that a net needs (np-mode, training) are set around each of our calls and put back,
so that legacy code in the same process goes on working. Who calls `net.native` directly works in
np-mode, as with any Gluon net on `mx.np` arrays: `mxnet.npx.set_np()`.
"""

from .adapter import MXNetAdapter
from .nn import SCRIPTS

__all__ = ["MXNetAdapter"]

MXNetAdapter.scripts = SCRIPTS

"""The MXNet backend: nets become Gluon `HybridBlock`s. Written for MXNet 1.9.1, its last release.

Gluon's modes that a net needs (np-mode, training) are set around each of our calls and put back,
so that legacy code in the same process goes on working. Who calls `net.native` directly works in
np-mode, as with any Gluon net on `mx.np` arrays: `mxnet.npx.set_np()`.

A layer of one's own is lowered to a `gluon.HybridBlock`, written as Gluon's users write theirs. It
makes a parameter for each that the layer declares, with 0 or -1 for sizes that the layer's rule
fills, and assigns it to an attribute of the native name::

    @MXNetAdapter.lowers(Scale)
    class NativeScale(gluon.HybridBlock):
        def __init__(self, layer, binding):
            super().__init__()
            self.weight = self.params.get("weight", shape=(0,), allow_deferred_init=True)

        def hybrid_forward(self, F, x, weight):
            return x * weight

`block` makes any of Gluon's blocks under the layer's path, `function_block` one of a function of a
tensor, and `activation_of` that of a layer's activation. In a net such a block is a subclass of its
own class: it takes inputs by keyword, and a `forward` around it reads its parameters' values.
"""

from .adapter import MXNetAdapter
from .blocks import block, function_block
from .nn import SCRIPTS
from .nn.activations import activation_of

__all__ = ["MXNetAdapter", "activation_of", "block", "function_block"]

MXNetAdapter.scripts = SCRIPTS

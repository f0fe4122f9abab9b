"""MIR of a model a second time: hidden states read by hooks of the test's own, the family's own mask, float64."""

import numpy as np
import torch

from tests import oracle


def expected_mir(layers, norm, passes):
    """MIR from the definition.

    Args:
        layers: the decoder's layers, each giving [1, sequence, d], alone or first in a tuple.
        norm: the final norm.
        passes: for each pair, a function that runs the model over it, and its vision mask [sequence].
    """
    vision, text = [], []
    for forward, mask in passes:
        states = hidden_states(layers, norm, forward)
        mask = np.asarray(mask, dtype=bool).reshape(-1)
        assert mask.shape == states.shape[1:2]
        vision.append(states[:, mask])
        text.append(states[:, mask.nonzero()[0].max() + 1 :])
    return oracle.mir(np.concatenate(vision, axis=1), np.concatenate(text, axis=1))


def hidden_states(layers, norm, forward):
    """Outputs of the layers, the last after the norm: [K, sequence, d]."""
    states = []

    def keep(_module, _args, output):
        output = output[0] if isinstance(output, tuple) else output
        states.append(output.detach()[0].double().numpy().copy())

    handles = [each.register_forward_hook(keep) for each in [*list(layers)[:-1], norm]]
    with torch.no_grad():
        forward()
    for handle in handles:
        handle.remove()
    return np.stack(states)


class Watched:
    """Token ids that a model's embedding is given while the block runs, call by call."""

    def __init__(self, embedding):
        self.calls = []
        self._handle = embedding.register_forward_hook(
            lambda _module, args, _output: self.calls.append(args[0].flatten().tolist())
        )

    def __enter__(self):
        return self.calls

    def __exit__(self, *_error):
        self._handle.remove()

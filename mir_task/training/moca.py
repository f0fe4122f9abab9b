"""MoCa, learnable calibration of vision rows after every decoder layer (arXiv 2410.07167, eq. 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mir_task.adapters.decoder import Decoder, find_decoder
from mir_task.errors import MIRModelError

VisionMask = Callable[[Mapping[str, Any]], Tensor]
"""Finds the vision positions, [batch, sequence] bool, among the keyword arguments of a model's forward."""
NAME = "moca"
"""The submodule's name in the model."""


class MoCa(nn.Module):
    """Calibration of vision rows: x becomes ``u[k] * x + v[k]`` after decoder layer k, all other rows stay.

    Starts as the identity (u = 1, v = 0). :meth:`attach` makes it a submodule of the model, so that an optimiser, a
    Trainer and ``state_dict()`` see its parameters. Nothing is frozen: call ``model.requires_grad_(False)`` before
    attaching to train MoCa alone.

    Args:
        layers: K, decoder layers.
        hidden_size: d of the hidden states.

    Attributes:
        u: [K, d] scale, float32.
        v: [K, d] shift, float32.
    """

    def __init__(self, layers: int, hidden_size: int) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.ones(layers, hidden_size, dtype=torch.float32))
        self.v = nn.Parameter(torch.zeros(layers, hidden_size, dtype=torch.float32))
        self._mask: Tensor | None = None
        self._depth = 0
        self._handles: list[Any] = []

    @classmethod
    def attach(cls, model: Any, vision_mask: VisionMask | None = None) -> MoCa:
        """Put a new MoCa on a model.

        Args:
            model: a vision-language model of transformers with a decoder stack.
            vision_mask: takes the keyword arguments of the model's forward and returns the vision positions, [batch,
                sequence] bool. Default: where ``input_ids`` is the image placeholder that the model's config names.

        Raises:
            MIRModelError: the model has no decoder stack or a MoCa already, or its config names no placeholder and no
                ``vision_mask`` is given.
        """
        if hasattr(model, NAME):
            raise MIRModelError(
                f"{type(model).__name__} has a MoCa already; model.moca.detach() takes it off"
            )
        decoder = find_decoder(model)
        vision_mask = vision_mask or _by_placeholder(model)
        moca = cls(len(decoder.layers), model.config.get_text_config().hidden_size)
        moca.to(next(decoder.layers.parameters()).device)
        moca._hook(model, decoder, vision_mask)
        model.add_module(NAME, moca)
        moca.train(model.training)
        return moca

    def detach(self) -> None:
        """Take MoCa off the model, which then is as it was before."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._depth = 0

    def calibrate(self, layer: int, hidden: Tensor, vision: Tensor) -> Tensor:
        """Apply eq. 5 to one layer's hidden states.

        Args:
            layer: k - 1, from 0.
            hidden: [batch, sequence, d], of any floating dtype.
            vision: [batch, sequence] bool.

        Returns:
            [batch, sequence, d], in the dtype of ``hidden``.
        """
        u, v = self.u[layer].to(hidden.device), self.v[layer].to(hidden.device)
        return torch.where(vision.to(hidden.device).unsqueeze(-1), (u * hidden + v).to(hidden.dtype), hidden)

    def _hook(self, model: Any, decoder: Decoder, vision_mask: VisionMask) -> None:
        def enter(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            # The ids are seen by whichever is called first: the model, or a module between it and the decoder.
            if self._depth == 0:
                inputs = {"input_ids": args[0], **kwargs} if args else kwargs
                known = isinstance(inputs.get("input_ids"), Tensor)
                self._mask = vision_mask(inputs) if known else None
            self._depth += 1

        def leave(*_: Any) -> None:
            # The mask stays: gradient checkpointing runs the layers again in the backward pass.
            self._depth -= 1

        def calibrate(layer: int) -> Any:
            def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
                hidden = output[0] if isinstance(output, tuple) else output
                if self._mask is None or self._mask.shape != hidden.shape[:2]:
                    shape = None if self._mask is None else list(self._mask.shape)
                    raise MIRModelError(
                        f"MoCa cannot tell which of the positions {list(hidden.shape[:2])} are vision (its mask: "
                        f"{shape}); call the model with input_ids, or attach with a vision_mask of your own"
                    )
                changed = self.calibrate(layer, hidden, self._mask)
                return (changed, *output[1:]) if isinstance(output, tuple) else changed

            return hook

        for module in _down_to(model, decoder.stack):
            self._handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            self._handles.append(module.register_forward_hook(leave, always_call=True))
        for number, layer in enumerate(decoder.layers):
            # First of all hooks, so that whoever reads the layer's output reads the calibrated one.
            self._handles.append(layer.register_forward_hook(calibrate(number), prepend=True))
        self._handles.append(_Submodule(model))

    def save(self, path: str | Path) -> Path:
        """Write u and v as safetensors, making the folder if needed, and return the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(
            {"u": self.u.detach().cpu(), "v": self.v.detach().cpu()},
            path,
            metadata={"format": "mir-task MoCa 1"},
        )
        return path

    def load(self, path: str | Path) -> MoCa:
        """Read u and v that :meth:`save` wrote, and return self.

        Raises:
            MIRModelError: there is no such file, or its keys or shapes are others; the message names both.
        """
        try:
            with safe_open(path, "pt"):
                pass
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            raise MIRModelError(f"cannot read a MoCa from {path}: {error}") from error
        for name, parameter in self.named_parameters():
            if name not in state or state.keys() != {"u", "v"}:
                raise MIRModelError(
                    f"{path} is no MoCa: it has the keys {', '.join(sorted(state))}, expected u, v"
                )
            if state[name].shape != parameter.shape:
                raise MIRModelError(
                    f"{path}: {name} has shape {list(state[name].shape)}, this model needs {list(parameter.shape)} "
                    "(decoder layers, hidden size)"
                )
        self.load_state_dict(state)
        return self


class _Submodule:
    """A handle that removes the MoCa from its model's modules, as hooks' handles remove the hooks."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def remove(self) -> None:
        del self._model._modules[NAME]


def _down_to(model: nn.Module, stack: nn.Module) -> list[nn.Module]:
    """List the model and all modules between it and the decoder stack, without the stack."""
    path = next(name for name, module in model.named_modules() if module is stack)
    names = path.split(".") if path else []
    return [model.get_submodule(".".join(names[:depth])) for depth in range(len(names))]


def _by_placeholder(model: Any) -> VisionMask:
    """Find vision positions by the image placeholder that the model's config names."""
    names = ("image_token_id", "image_token_index", "img_context_token_id", "media_placeholder_token_id")
    found = [getattr(model.config, name, None) for name in names]
    placeholder = next((value for value in found if value is not None), None)
    if placeholder is None:
        raise MIRModelError(
            f"MoCa: the config of {type(model).__name__} names no image placeholder token; attach with a "
            "vision_mask that finds the vision positions among the forward's arguments"
        )
    return lambda inputs: torch.as_tensor(inputs["input_ids"].eq(placeholder))

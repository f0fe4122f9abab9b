"""Finds a model's decoder layers and final norm without knowing its family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mir_task.errors import MIRModelError


@dataclass(frozen=True)
class Decoder:
    """The modules of a language model from which hidden states are read."""

    embedding: nn.Module
    """The token embedding."""
    stack: nn.Module
    """The module that owns the layers and receives ``inputs_embeds``."""
    layers: nn.ModuleList
    norm: nn.Module
    """The final norm; hidden states of the last layer are taken after it."""


def find_decoder(model: Any) -> Decoder:
    """Find the decoder stack from the token embedding.

    Climbs from the embedding to the nearest ancestor that has a list of transformer blocks; of several lists
    takes the one as long as the config's ``num_hidden_layers``, then the shallowest, then the longest. (The
    longest of the whole model would be wrong where the vision tower is inside the LLM's module.)

    Raises:
        MIRModelError: no token embedding, list of layers or final norm where they are looked for.
    """
    path = _embedding_path(model)
    expected = getattr(text_config(model), "num_hidden_layers", None)
    parents = path.split(".")[:-1]
    for depth in range(len(parents), -1, -1):
        ancestor = model.get_submodule(".".join(parents[:depth]))
        lists = _layer_lists(ancestor)
        if lists:
            best = min(lists, key=lambda p: (len(lists[p]) != expected, p.count("."), -len(lists[p])))
            stack = ancestor.get_submodule(best.rpartition(".")[0])
            norm = _final_norm(stack, type(model).__name__)
            return Decoder(model.get_submodule(path), stack, lists[best], norm)
    raise MIRModelError(f"{type(model).__name__}: no list of decoder layers found above the token embedding")


def text_config(model: Any) -> Any:
    """The language model's config inside a model's; remote code names it ``llm_config``."""
    config = model.config.get_text_config()
    return getattr(config, "llm_config", config)


def layer_input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """The hidden states [batch, sequence, d] among a decoder layer's arguments: the first, whatever its name."""
    hidden: Tensor = args[0] if args else kwargs.get("hidden_states", next(iter(kwargs.values())))
    return hidden


def _embedding_path(model: Any) -> str:
    """The token embedding's path, asked of the language model inside where the model itself names none."""
    for candidate in (model, *model.children()):
        try:
            embedding = candidate.get_input_embeddings()
        except (AttributeError, NotImplementedError):
            continue
        # Vision towers answer with their patch embedding, hence the class; some embeddings are no nn.Embedding.
        if candidate is not model and not isinstance(embedding, nn.Embedding):
            continue
        paths = [name for name, module in model.named_modules() if module is embedding]
        if embedding is not None and paths:
            return str(paths[0])
    raise MIRModelError(f"{type(model).__name__} has no token embedding (get_input_embeddings())")


def _layer_lists(module: nn.Module) -> dict[str, nn.ModuleList]:
    """Lists of transformer blocks below a module, by path: blocks of one class, with submodules."""
    return {
        name: child
        for name, child in module.named_modules()
        if isinstance(child, nn.ModuleList)
        and len(child) > 0
        and len({type(block) for block in child}) == 1
        and any(True for _ in child[0].children())
    }


def _final_norm(stack: nn.Module, model_name: str) -> nn.Module:
    norms = [child for name, child in stack.named_children() if "norm" in name.lower() or name == "ln_f"]
    if len(norms) != 1:
        raise MIRModelError(
            f"{model_name}: expected one final norm beside the decoder layers, found {len(norms)} "
            f"among {[name for name, _ in stack.named_children()]}"
        )
    return norms[0]

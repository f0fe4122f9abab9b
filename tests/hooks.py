"""Hooks on a model, to see that they are gone when they should be."""


def hooks(model):
    """Ids of all hooks on all modules, those of transformers itself among them."""
    return [
        list(registered)
        for module in model.modules()
        for registered in (module._forward_hooks, module._forward_pre_hooks)
    ]

"""All that imports lmms-eval: the plugin, the tasks, the handler of their requests, the models that we add."""

REQUEST_TYPE = "mir"
"""What our tasks ask of a model: lmms-eval calls the method of that name."""

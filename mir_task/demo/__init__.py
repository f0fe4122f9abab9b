"""A tiny LLaVA that needs no download, so that every command of the README runs on a laptop."""

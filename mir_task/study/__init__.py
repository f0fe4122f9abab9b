"""The paper in miniature: tiny LLaVAs trained through both stages, MIR and scores of each (``make study``)."""
